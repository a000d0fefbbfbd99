"""The reader of the European XFEL's files."""
