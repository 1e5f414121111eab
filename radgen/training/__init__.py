"""Steps, time, state and devices of training; knows no network by name."""
