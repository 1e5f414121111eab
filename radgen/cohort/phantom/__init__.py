"""The demo's archive: abdominal CT of patients who do not exist, written as a real scanner would write it."""
