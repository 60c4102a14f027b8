"""pegboard.js: calls, streams, sockets, events and state for web pages, without dependencies."""
