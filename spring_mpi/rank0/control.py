"""The mailbox's place in the loop of rank 0: every message is applied once and answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from ..rundir.lines import JobLine, MessageLine
from ..rundir.mailbox import Mailbox
from ..rundir.mailbox_messages import Message, Reply
from ..rundir.verbs import UNKNOWN, VERBS, Changes, Verb
from .steering import Answer, Steering


@dataclass(frozen=True)
class Asked:
    """A message, and what follows from it."""

    message: Message
    answer: Answer

    @property
    def verb(self) -> Verb:
        """What was asked for."""
        return VERBS.get(self.message.verb, UNKNOWN)

    @property
    def changes_something(self) -> bool:
        """Whether the journal has to know."""
        return self.verb.changes is not Changes.NOTHING

    def line(self, records: Iterable[JobLine]) -> MessageLine:
        """For the journal, with the lines of the decision's records."""
        message, answer = self.message, self.answer
        return MessageLine(
            id=message.id,
            sender=message.sender,
            verb=message.verb,
            reply=answer.reply.lines,
            refused=answer.reply.refused,
            front=answer.decision.names if self.verb.replay.method == "prepend" else (),
            records=tuple(
                replace(record, request=answer.requests.get(record.name)) for record in records
            ),
        )


class Control:
    """Asks the mailbox, answers through it.

    Parameters
    ----------
    answered
        Id of messages that an earlier run applied -> reply and whether it was refused; they are
        answered again, not applied again.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        steering: Steering,
        answered: Mapping[str, tuple[tuple[str, ...], bool]],
    ) -> None:
        self._mailbox, self._steering = mailbox, steering
        self._answered = dict(answered)

    def asked(self) -> list[Asked]:
        """The new messages, decided on."""
        new = []
        for message in self._mailbox.poll():
            if message.id in self._answered:
                lines, refused = self._answered[message.id]
                self._answer(message.id, Reply(tuple(lines), refused))
            else:
                answer = self._steering.answer(message.verb, message.arguments)
                new.append(Asked(message, answer))
        return new

    def reply(self, asked: Asked) -> None:
        """Answer a message whose effect the journal has."""
        reply = asked.answer.reply
        if asked.changes_something:
            self._answered[asked.message.id] = reply.lines, reply.refused
        self._answer(asked.message.id, reply)

    def _answer(self, id: str, reply: Reply) -> None:
        # On a full disk the mailbox gives the message again: it is answered when there is space.
        with suppress(OSError):
            self._mailbox.answer(id, reply)
