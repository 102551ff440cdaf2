"""The command line, one file per command: its options, and what it prints; nothing here imports what takes long."""
