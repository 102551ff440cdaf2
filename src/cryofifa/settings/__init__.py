"""All settings of the method, with where each default comes from, its range, and how files of them are read."""
