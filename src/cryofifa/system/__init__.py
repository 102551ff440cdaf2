"""The machine a run works on: device, memory, threads, processes, signals and files."""
