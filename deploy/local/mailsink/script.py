"""What goes wrong, and how often: rules by SMTP command, the first that fits is used."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

RULES_MAX: Final = 50
SECONDS_MAX: Final = 3_600.0

Command = Literal["connect", "ehlo", "auth", "mail", "rcpt", "data", "dot", "rset", "noop"]
Action = Literal["reply", "cut", "cut_inside", "garbage", "slow"]


class Rule(BaseModel):
    """One fault.

    `command`: where; `connect` is before the greeting, `data` before the 354, `dot` after the final dot.
    `action`: `reply` answers with `reply`; `cut` closes without an answer; `cut_inside` (data) closes after the first line of
    the mail; `garbage` answers something that is no SMTP; `slow` waits `seconds` and goes on as usual.
    At `dot` the mail is stored before `cut`, `garbage` and `slow`, and not stored before `reply`.
    `times`: how often, then the rule is used up; null: always. `match`: only for recipients that contain it (rcpt, data, dot).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: Command
    action: Action
    reply: Annotated[str, Field(pattern=r"^[245][0-9]{2} [ -~]{0,200}$")] = "451 4.3.0 not now"
    seconds: Annotated[float, Field(ge=0, le=SECONDS_MAX)] = 1.0
    times: Annotated[int, Field(ge=1)] | None = None
    match: Annotated[str, Field(max_length=200)] = ""

    @model_validator(mode="after")
    def check_place(self) -> "Rule":
        """A mail can only be cut inside itself."""
        if self.action == "cut_inside" and self.command != "data":
            raise ValueError("cut_inside belongs to the command data")
        return self


@dataclass(slots=True)
class Script:
    """The rules in force and how often each was used."""

    rules: list[Rule] = field(default_factory=list)
    used: list[int] = field(default_factory=list)

    def replace(self, rules: Sequence[Rule]) -> None:
        """From now on these, unused."""
        self.rules = list(rules)
        self.used = [0] * len(rules)

    def take(self, command: Command, recipients: Sequence[str] = ()) -> Rule | None:
        """The first rule that fits, counted as used; None: all goes well."""
        for position, rule in enumerate(self.rules):
            if rule.command != command or (rule.times is not None and self.used[position] >= rule.times):
                continue
            if rule.match and not any(rule.match in recipient for recipient in recipients):
                continue
            self.used[position] += 1
            return rule
        return None
