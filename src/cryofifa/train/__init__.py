"""The search for poses: epochs of training in which a decoder learns the volume and poses are found."""
