"""The sections of the report page, each one function of a study's tables and manifests."""
