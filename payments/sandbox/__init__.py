"""The Stripe stand-in: a process of its own that speaks Stripe's HTTP API on the loopback.

It imports nothing of the project. From the outside in: `serve` (running it), `app` (what answers where),
`api` (one API request), `pages` and `desk` (what people see), `webhooks` (what goes out), `surface`
(every endpoint); then one module per trade (`checkout`, `paying`, `billing`, `connect`, `transfers` …), each
with its handlers and its `ROUTES`; below them `events`, `lists`, `expand`, `parameters`, `shapes`, `state`.
"""
