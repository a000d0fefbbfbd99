"""Simulated patterns whose truth is known, and how a reconstruction compares with it.

Apart from `Sample.pattern` and `Sample.settings` nothing here uses the package: what judges it
shares neither simulator nor registration with it.
"""
