"""How a connection proves itself and gets its access token: one module for each way. What the token is used for is not here."""
