"""One public address in front of all browsers: a client in, its bytes on to the guest of its session."""
