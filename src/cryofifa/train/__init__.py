"""Training: epochs in which a decoder learns the volume while an encoder and a search find the particles' poses."""
