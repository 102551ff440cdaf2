"""Physics of cryo-EM images: Fourier transforms, CTF, slices, back-projection, rotations, masks, symmetry and FSC.

Pure functions of arrays, without files and without networks. Origins lie at index N//2 on every axis, volumes have axes
(z, y, x), vectors are (x, y, z), and rotations are `rotation_volume_to_image`: r_image = A r_volume.
"""
