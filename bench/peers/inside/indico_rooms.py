"""Runs inside Indico's environment: one location with rooms that anybody may book at once, and a person with a token.

    python indico_rooms.py 50

Prints one line of JSON: the token, and the rooms' ids.
"""

# mypy: ignore-errors
# Its imports exist in Indico's environment only.

import json
import sys

from indico.core.db import db
from indico.core.db.sqlalchemy.protection import ProtectionMode
from indico.core.oauth.models.personal_tokens import PersonalToken
from indico.modules.rb.models.locations import Location
from indico.modules.rb.models.rooms import Room
from indico.modules.users import User
from indico.web.flask.app import make_app


def house(rooms: int) -> dict[str, object]:
    """Everything that the comparison books."""
    citizen = User(first_name="Anna", last_name="Beispiel", email="anna@hub.example")
    owner = User(first_name="Haus", last_name="Meister", email="haus@hub.example")
    location = Location(name="Messung")
    made = [
        Room(building="1", floor="1", number=str(n), owner=owner, location=location, protection_mode=ProtectionMode.public)
        for n in range(rooms)
    ]
    db.session.add_all([citizen, owner, location, *made])
    token = PersonalToken(user=citizen, name="bench", scopes=["full:everything"])
    secret = token.generate_token()
    db.session.add(token)
    db.session.flush()
    return {"token": secret, "rooms": [room.id for room in made]}


if __name__ == "__main__":
    with make_app().app_context():
        told = house(int(sys.argv[1]))
        db.session.commit()
    print(json.dumps(told))
