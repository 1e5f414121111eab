"""Lung nodules and the genes of their patients: tables, pictures, and the statistics that join them."""
