"""Whether generated nodules follow genes, and whether they copy: statistics over patients."""
