"""The domain encoder (the coach), the judge, and features of image sets."""
