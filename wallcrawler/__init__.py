"""The kernel: what the processes of Wallcrawler agree on. It imports no service."""
