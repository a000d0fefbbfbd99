"""The world around a program: its ranks, the variables of schedulers, devices, submission."""
