"""How sure a reconstruction is: figures of merit, verdict, resolution, uncertainty of pixels."""
