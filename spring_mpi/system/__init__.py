"""What the operating system gives, made safe: files, standard streams, warnings, processes."""
