"""The networks: encoders that read a pose from an image, and decoders that hold the volume's Fourier transform."""
