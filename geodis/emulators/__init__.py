"""Networks and laws that commute with a group: emulators of particles and fields, coordinate-free by construction."""

