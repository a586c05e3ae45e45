"""Writers of raw formats: what the project itself makes looks like the real thing."""
