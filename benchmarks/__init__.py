"""Side-by-side measurements, and their recorded results with where they were made."""
