"""The gpu backend: a population as one array on an NVIDIA GPU, by CuPy."""
