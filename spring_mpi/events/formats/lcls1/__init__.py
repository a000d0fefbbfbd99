"""The reader of LCLS-I's XTC files."""
