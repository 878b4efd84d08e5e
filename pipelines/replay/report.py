"""What a replay did, dataset by dataset."""

from dataclasses import dataclass, field


@dataclass
class DatasetReplay:
    """What the replay of one dataset of an exchange did. Counts are of rows, unless they say."""

    exchange: str
    dataset: str
    streams: int = 0
    responses: int = 0
    rows: int = 0
    added: int = 0
    replaced: int = 0
    quarantined: int = 0
    released: int = 0
    newer: int = 0
    problems: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.exchange}/{self.dataset}"


@dataclass
class ReplayReport:
    """The outcome of a replay. ``ok`` is false where a response or a row could not be read."""

    datasets: list[DatasetReplay] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.errors

    @property
    def errors(self) -> list[str]:
        return [problem for found in self.datasets for problem in found.problems]

    @property
    def notices(self) -> list[str]:
        return [notice for found in self.datasets for notice in found.notices]
