"""Nothing identifying leaves the private folder: an archive full of planted identifiers, and a search of every byte."""
