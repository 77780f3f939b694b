from bookwell.library.catalog.importing.pipeline import BATCH_SIZE, import_records
from bookwell.library.catalog.importing.records import Record, Rejection, make_record
from bookwell.library.catalog.importing.store import Plan
from bookwell.library.catalog.rules import BookData


def _batches_of(rows: list[Record | Rejection]) -> list[list[Record]]:
    batches: list[list[Record]] = []

    def store(records: list[Record]) -> Plan:
        batches.append(records)
        return Plan(new=records)

    import_records(rows, store=store, reject=lambda _rejection: None)
    return batches


def _row(number: int, **fields: str) -> Record | Rejection:
    return make_record(number, BookData(f"T {number}", **fields), control_number=str(number))  # type: ignore[arg-type]


def test_import_records__long_records__come_in_batches_that_a_database_takes_in_one_statement() -> None:
    rows = [_row(number, description="ż" * 20_000) for number in range(BATCH_SIZE)]

    batches = _batches_of(rows)

    assert [record for batch in batches for record in batch] == rows
    assert max(sum(len(record.data.description) for record in batch) for batch in batches) < 1_100_000


def test_import_records__short_records__come_in_full_batches() -> None:
    rows = [_row(number) for number in range(BATCH_SIZE + 1)]

    assert [len(batch) for batch in _batches_of(rows)] == [BATCH_SIZE, 1]
