"""Files from anywhere: each is read rightly or refused in one sentence, quickly, and in little memory."""

import collections
import random
import zlib

import pytest
from hostile import DAMAGE, READERS, Confined, outcome, seeds
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Whole files of every kind."""
    return seeds(tmp_path_factory.mktemp("whole"))


def damaged(seed, others, chance):
    """The bytes of a file with one kind of damage."""
    return chance.choice(DAMAGE)(seed.data, chance, chance.choice(others).data)


def test_every_whole_file_is_read(whole, tmp_path):
    """The test of the tests: what refuses everything is never wrong."""
    for seed in whole:
        (tmp_path / seed.name).write_bytes(seed.data)
        assert outcome(READERS[seed.reader], tmp_path / seed.name) == "read", seed.name


QUICK = {"picture": 150, "flow": 150, "stored": 100, "video": 15, "mask": 15, "sound": 8}
"""How many files are damaged for each reader; there are many more in the slow test."""


@pytest.mark.parametrize("reader", QUICK)
def test_a_damaged_file_is_refused_in_a_sentence_or_read(whole, tmp_path_factory, reader):
    folder, chosen = tmp_path_factory.mktemp(reader), [seed for seed in whole if seed.reader == reader]

    @settings(max_examples=QUICK[reader])
    @given(st.sampled_from(chosen), st.randoms(use_true_random=False))
    def read(seed, chance):
        path = folder / seed.name
        path.write_bytes(damaged(seed, whole, chance))
        outcome(READERS[reader], path)
        assert {file.name for file in folder.iterdir()} == {seed.name}
        path.unlink()

    read()


MANY = {"picture": 800, "flow": 600, "stored": 300, "video": 500, "sound": 150, "mask": 150, "weights": 150}


@pytest.mark.slow
@pytest.mark.parametrize("reader", MANY)
def test_thousands_of_damaged_files_are_refused_in_a_sentence_or_read(whole, tmp_path, reader, record_property):
    chosen, counts, faults = [seed for seed in whole if seed.reader == reader], collections.Counter(), []
    with Confined() as process:
        for number in range(MANY[reader]):
            seed = chosen[number % len(chosen)]
            chance = random.Random(zlib.crc32(f"{reader} {number}".encode()))
            path = tmp_path / seed.name
            path.write_bytes(damaged(seed, whole, chance))
            result = process.outcome(reader, path)
            counts[result if len(result) < 40 else "fault"] += 1
            if result in ("crash", "hang") or len(result) >= 40:
                faults.append(f"{number} {seed.name}: {result}")
            path.unlink()
            assert not list(tmp_path.iterdir()), (number, seed.name)
    record_property("outcomes", dict(counts))
    print(reader, dict(counts))
    assert not faults, "\n".join(faults)
