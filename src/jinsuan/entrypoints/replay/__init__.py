"""The replay: real machines and real requests of a public trace, through the real platform."""
