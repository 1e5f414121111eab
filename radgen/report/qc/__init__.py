"""The quality-control pages: every series of the archive as figures, histograms and pictures, unusual ones first."""
