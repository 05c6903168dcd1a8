"""How a hub is put up and run: the command `hubnetz`, the local runner, the hub files. The top layer: nobody imports it."""
