"""Simulated events, and the diffraction of the particles in them."""
