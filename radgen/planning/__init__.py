"""What a study will need before it runs: amounts of work, measured rates, disk, hours and days."""
