"""Writers of the formats of facilities, as their documents lay them out."""
