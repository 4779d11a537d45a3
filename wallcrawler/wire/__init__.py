"""The wire between a client, the gateway and Chrome: request heads, frames and spliced sockets. Light to import."""
