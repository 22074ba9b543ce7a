"""The table of trials and targets asks for nothing that is not there."""

import re
from collections.abc import Iterator

import pytest

from bench.court import plots
from bench.court.record import WRONG
from bench.court.report import UNITS
from bench.court.sitting import Bounds, asked
from bench.court.targets import TRIALS
from bench.court.trial import FULL, Claim, Pace, Party, Trial
from bench.court.verdicts import OURS
from bench.load import compiled
from bench.peers.parley import NAME
from bench.peers.table import PEERS

SOURCES = "".join(source.read_text() for source in sorted(compiled.SOURCES.glob("*.c")))
TAKEN_BY_THE_COURT = {"fsync_us.p50", "commit_us.p50", "commit_us.p99"}
CLAIMS = [(trial, claim) for trial in TRIALS.values() for claim in trial.claims]
EVERY_CLAIM = pytest.mark.parametrize(("trial", "claim"), CLAIMS)
EVERY_TRIAL = pytest.mark.parametrize("trial", TRIALS.values(), ids=list(TRIALS))


def loads(trial: Trial) -> Iterator[tuple[Party, Pace]]:
    """Yield what is measured of a trial."""
    for pace in trial.paces:
        for party in trial.parties:
            if pace.share is not None or not party.paced_by:
                yield party, pace


@EVERY_TRIAL
def test_every_party_is_a_server_that_can_be_called(trial: Trial) -> None:
    assert {party.peer for party in trial.parties} <= set(PEERS)
    names = [party.name for party in trial.parties]
    assert len(names) == len(set(names))
    assert all(party.paced_by in {"", *names} for party in trial.parties)


@EVERY_TRIAL
def test_every_figure_of_a_claim_is_one_that_is_measured(trial: Trial) -> None:
    measured = {(party.name, pace) for party, pace in loads(trial)}
    for claim in trial.claims:
        for figure in claim.figures:
            assert (figure.party, figure.pace) in measured, claim.text


@EVERY_CLAIM
def test_a_goal_asks_for_more_than_its_floor(trial: Trial, claim: Claim) -> None:
    assert claim.floor > 0, trial.name
    if claim.goal is not None:
        assert (claim.goal < claim.floor) is claim.at_most
        assert claim.goal != claim.floor


@EVERY_CLAIM
def test_a_claim_is_on_a_figure_that_somebody_tells(trial: Trial, claim: Claim) -> None:
    for figure in claim.figures:
        name = figure.name.partition(".")[0]
        told = figure.name in TAKEN_BY_THE_COURT or re.search(rf'"{name}"', SOURCES)
        assert told, f"{trial.name}: {figure.name}"


@EVERY_TRIAL
def test_a_trial_is_about_parley_and_says_what_was_under_way(trial: Trial) -> None:
    assert all(claim.figure.party.startswith(OURS) for claim in trial.claims)
    assert trial.claims
    assert trial.state
    assert {trial.rate, trial.cost} <= set(UNITS)


@EVERY_TRIAL
def test_the_first_pace_is_full_so_that_others_can_be_a_share_of_it(trial: Trial) -> None:
    assert trial.paces[0] is FULL
    assert set(trial.quick) <= {*trial.settings, *trial.paced_settings, "secs"}


@EVERY_TRIAL
def test_the_generator_knows_every_setting_and_scenario(trial: Trial) -> None:
    bounds = Bounds(repetitions=1, seconds=1, warm_up_s=0.5)
    for party, pace in loads(trial):
        scenario, settings = asked(trial, party, bounds, 10.0 if pace.share else None)
        assert all(f'"{name}"' in SOURCES for name in settings), settings
        assert f'"{scenario}"' in SOURCES
        assert f'"{settings["dialect"]}"' in SOURCES


def test_what_counts_as_wrong_is_all_that_the_generator_tells_of_it() -> None:
    assert set(WRONG) == {
        *("lost", "doubled", "disordered", "errors"),
        *("unacked", "unfinished", "version_faults"),
    }
    assert all(f'"{name}"' in SOURCES for name in WRONG)


def test_ours_is_the_name_that_parley_is_called_by() -> None:
    assert NAME == OURS
    ours = [peer for name, peer in PEERS.items() if name.startswith(OURS)]
    assert {type(peer) for peer in ours} == {type(PEERS[NAME])}


def test_only_parley_with_its_store_is_held_to_the_disk() -> None:
    durable = {name for name, peer in PEERS.items() if peer.durable}
    assert durable == {"Parley", "Parley on Hypercorn"}


def test_what_is_drawn_is_in_the_table() -> None:
    assert set(plots.RATES) <= set(TRIALS)
