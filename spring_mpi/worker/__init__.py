"""The worker rank and its child, which alone touches the device."""
