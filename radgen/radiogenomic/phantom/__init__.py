"""An archive with planted truth: chest CT of patients who do not exist and the genes that shape their nodules."""
