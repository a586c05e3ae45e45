"""Sixteen actions as angles over time: what each body of a clip does, before anybody looks at it.

Some differ little, so that a stream has something to add:

- Bones tell ``thumb up`` from ``thumb down`` and ``drink`` from ``phone call`` better than joints do: the directions of
  thumb and forearm differ, while where the hand is held varies with the person and with the camera's error.
- Motion tells ``sit down`` from ``stand up`` and ``raise both arms`` from ``lower both arms``: each is the other one
  backwards, so that the postures as such, without their order, tell nothing.

An action is a function from a ``Beat`` (when, how fast, with which hand) to one ``Motion`` per body. Angles are in
degrees by the names of ``data_gen.demo_body.ANGLES``; what an action leaves out hangs straight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Angles = dict[str, Array]


@dataclass(frozen=True)
class Beat:
    """When and how one clip's action happens; arrays are (T,).

    Attributes:
        phase: 0 before the action begins, 1 once it is over, rising evenly between.
        cycles: how often a repeated action repeats, at least 1.
        side: ``"left"`` or ``"right"``: the hand or foot that acts.
        manner: a number in [-1, 1] by which people do the same thing differently.
    """

    phase: Array
    cycles: float
    side: str
    manner: float

    @property
    def other(self) -> str:
        """The side that does not act."""
        return "left" if self.side == "right" else "right"

    @property
    def hold(self) -> Array:
        """0 → 1 → 0: goes into a pose, holds it, comes back."""
        return keyed(self.phase, (0.0, 0.3, 0.7, 1.0), (0.0, 1.0, 1.0, 0.0))

    @property
    def swing(self) -> Array:
        """To and fro in [-1, 1], ``cycles`` times while the action lasts."""
        return np.sin(2 * np.pi * self.cycles * self.phase)

    @property
    def again(self) -> Array:
        """``phase`` of the single repetition, for actions that are done one to a few times in a row."""
        times = max(1, round(self.cycles / 2))
        return np.where(self.phase < 1, self.phase * times % 1, 1.0)


@dataclass(frozen=True)
class Contact:
    """Where two bodies meet.

    Attributes:
        first: joints of the first body, whose mean meets
        second: the mean of these joints of the second body.
        when: weights (T,): how much each frame counts for that.
        arms: angles of the first and of the second body that make up for unequal heights,
        reach: and how far (T,) they are in it, 0 to 1.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    when: Array
    arms: tuple[tuple[str, ...], tuple[str, ...]]
    reach: Array


@dataclass(frozen=True)
class Motion:
    """What one body does.

    Attributes:
        angles: degrees (T,) by name.
        lift: height of the soles above the ground, metres (T,).
        contact: how this body meets the first one, which it faces; second bodies only.
    """

    angles: Angles
    lift: Array | float = 0.0
    contact: Contact | None = None


Action = Callable[[Beat], tuple[Motion, ...]]


def keyed(phase: Array, times: tuple[float, ...], values: tuple[float, ...]) -> Array:
    """Values (T,) that ease from key to key and rest at each: a cosine between neighbouring keys."""
    at = np.asarray(times)
    key = np.clip(np.searchsorted(at, phase, side="right") - 1, 0, len(at) - 2)
    part = np.clip((phase - at[key]) / (at[key + 1] - at[key]), 0.0, 1.0)
    start, end = np.asarray(values)[key], np.asarray(values)[key + 1]
    return np.asarray(start + (end - start) * (1 - np.cos(np.pi * part)) / 2)


def pose(weight: Array, **degrees: Array | float) -> Angles:
    """Each angle (underscores for blanks) times ``weight`` (T,)."""
    return {name.replace("_", " "): weight * value for name, value in degrees.items()}


def arm(
    side: str, weight: Array, flex: Array | float, out: Array | float, turn: Array | float, elbow: Array | float
) -> Angles:
    """One arm raised forward, opened sideways, turned inward and bent at the elbow, all times ``weight``."""
    parts = {"arm flex": flex, "arm open": out, "arm turn": turn, "elbow": elbow}
    return {f"{side} {name}": weight * value for name, value in parts.items()}


def leg(side: str, flex: Array, knee: Array) -> Angles:
    """One leg flexed at hip and knee, its sole level as far as the ankle allows."""
    return {f"{side} hip flex": flex, f"{side} knee": knee, f"{side} ankle": np.clip(knee - flex, -35.0, 28.0)}


def legs(flex: Array, knee: Array) -> Angles:
    """Both legs bent alike, the soles flat on the ground."""
    return leg("left", flex, knee) | leg("right", flex, knee)


def drink(beat: Beat) -> tuple[Motion, ...]:
    """One hand goes to the mouth, the head tips back."""
    sip = 6 * beat.swing
    return (
        Motion(arm(beat.side, beat.hold, 68 + sip, -6 + 14 * beat.manner, 32, 120 + sip) | pose(beat.hold, nod=-14)),
    )


def phone(beat: Beat) -> tuple[Motion, ...]:
    """One hand goes to the ear, the head bows to it; next to ``drink``."""
    lean = pose(beat.hold, nod=8, tilt=-9.0 if beat.side == "right" else 9.0)
    return (Motion(arm(beat.side, beat.hold, 82 + 3 * beat.swing, 4 + 14 * beat.manner, 20, 127) | lean),)


def wave(beat: Beat) -> tuple[Motion, ...]:
    """The raised forearm goes to and fro."""
    return (Motion(arm(beat.side, beat.hold, 5, 75 + 25 * beat.manner, -85, 85 + 32 * beat.swing)),)


def clap(beat: Beat) -> tuple[Motion, ...]:
    """Both hands meet in front of the chest and part again."""
    out, turn = -6 + 22 * beat.swing, 8 - 6 * beat.swing
    both = [arm(side, beat.hold, 14 + 12 * beat.manner, out, turn, 86) for side in ("left", "right")]
    return (Motion(both[0] | both[1]),)


def rub_hands(beat: Beat) -> tuple[Motion, ...]:
    """Both hands stay together and slide along each other; next to ``clap``."""
    slide = 14 * beat.swing
    both = [
        arm(side, beat.hold, 2 + 8 * beat.manner + sign * slide, -18, 20, 84 - sign * slide)
        for side, sign in (("left", 1), ("right", -1))
    ]
    return (Motion(both[0] | both[1] | pose(beat.hold, nod=15)),)


def raise_both_arms(beat: Beat) -> tuple[Motion, ...]:
    """Both arms go up, through the front or through the sides, and stay."""
    return (both_arms(keyed(beat.phase, (0.0, 0.7, 1.0), (0.0, 1.0, 1.0)), beat.manner),)


def lower_both_arms(beat: Beat) -> tuple[Motion, ...]:
    """``raise_both_arms`` backwards."""
    return (both_arms(keyed(1 - beat.phase, (0.0, 0.7, 1.0), (0.0, 1.0, 1.0)), beat.manner),)


def both_arms(up: Array, manner: float) -> Motion:
    """Arms from hanging (``up`` 0) to straight up (1)."""
    front, out = (165, 8) if manner > 0 else (8, 155)
    both = [arm(side, up, front, out, 0, 10) for side in ("left", "right")]
    return Motion(both[0] | both[1] | pose(up, nod=-12))


def thumb(palm: float) -> Action:
    """One hand is held out somewhere in front, the palm turned so that the thumb points up (0) or down (150)."""

    def action(beat: Beat) -> tuple[Motion, ...]:
        held = arm(beat.side, beat.hold, 32 + 28 * beat.manner, 6, 0, 70 + 5 * beat.swing)
        return (Motion(held | {f"{beat.side} palm": palm * beat.hold}),)

    return action


def kick(beat: Beat) -> tuple[Motion, ...]:
    """One leg swings back, then out in front; the arms balance it."""
    times = (0.0, 0.25, 0.5, 0.8, 1.0)
    hip = keyed(beat.again, times, (0.0, -18.0, 70 + 15 * beat.manner, 8.0, 0.0))
    knee = keyed(beat.again, times, (0.0, 75.0, 8.0, 45.0, 0.0))
    balance = {
        f"{beat.side} arm flex": -0.25 * hip,
        f"{beat.other} arm flex": 0.35 * hip,
        f"{beat.other} arm open": 0.2 * abs(hip),
    }
    lean = pose(keyed(beat.again, times, (0.0, 0.3, 1.0, 0.2, 0.0)), lean=-12)
    return (Motion(leg(beat.side, hip, knee) | balance | lean),)


def squat(beat: Beat) -> tuple[Motion, ...]:
    """Down on both bent legs and up again."""
    down = keyed(beat.again, (0.0, 0.45, 0.6, 1.0), (0.0, 1.0, 1.0, 0.0))
    arms = pose(down * (45 + 35 * beat.manner), left_arm_flex=1.0, right_arm_flex=1.0)
    return (Motion(legs(85 * down, 108 * down) | arms | pose(down, lean=36, nod=-20)),)


def jump(beat: Beat) -> tuple[Motion, ...]:
    """A shallow crouch, off the ground, and a soft landing; next to ``squat``."""
    times = (0.0, 0.3, 0.42, 0.55, 0.68, 0.78, 1.0)
    crouch = keyed(beat.again, times, (0.0, 1.0, 0.0, 0.25, 0.0, 0.7, 0.0))
    flight = np.clip((beat.again - 0.42) / (0.68 - 0.42), 0.0, 1.0)
    lift = (0.3 + 0.1 * beat.manner) * 4 * flight * (1 - flight)
    swing = keyed(beat.again, times, (0.0, -35.0, 80.0, 95.0, 60.0, 25.0, 0.0))
    angles = legs(55 * crouch, 75 * crouch) | pose(crouch, lean=28, nod=-12)
    toes = -40 * np.sin(np.pi * flight)
    angles |= {f"{side} ankle": angles[f"{side} ankle"] + toes for side in ("left", "right")}
    return (Motion(angles | pose(swing, left_arm_flex=1.0, right_arm_flex=1.0), lift=lift),)


def sit_down(beat: Beat) -> tuple[Motion, ...]:
    """From standing to a chair."""
    return (seated(keyed(beat.phase, (0.0, 0.9, 1.0), (0.0, 1.0, 1.0)), beat.manner),)


def stand_up(beat: Beat) -> tuple[Motion, ...]:
    """``sit_down`` backwards."""
    return (seated(keyed(1 - beat.phase, (0.0, 0.9, 1.0), (0.0, 1.0, 1.0)), beat.manner),)


def seated(down: Array, manner: float) -> Motion:
    """From standing (``down`` 0) to sitting on a chair (1): the trunk leans over the feet on the way."""
    lean = (38 + 8 * manner) * np.sin(np.pi * down) + 4 * down
    arms = pose(down, left_arm_flex=22, right_arm_flex=22, left_elbow=55, right_elbow=55)
    return Motion(legs(86 * down, 88 * down) | arms | {"lean": lean})


def handshake(beat: Beat) -> tuple[Motion, ...]:
    """Two people: right hands meet and pump."""
    pump = 12 * beat.swing
    body = Motion(arm("right", beat.hold, 38 + pump, -20, 2, 34 - 0.6 * pump) | pose(beat.hold, lean=4))
    arms = ("right arm flex",)
    return body, replace(body, contact=Contact((11,), (11,), beat.hold**4, (arms, arms), beat.hold))


def push(beat: Beat) -> tuple[Motion, ...]:
    """Two people: the first steps up and thrusts both hands out, the second staggers two steps back."""
    times = (0.0, 0.3, 0.5, 0.65, 1.0)
    out = keyed(beat.phase, times, (0.0, 0.35, 1.0, 1.0, 0.0))
    bent = keyed(beat.phase, times, (0.0, 115.0, 12.0, 12.0, 0.0))
    both = [arm(side, out, 78, -8, 8, 0) | {f"{side} elbow": bent} for side in ("left", "right")]
    lunge = leg(beat.side, 26 * out, 28 * out + 110 * out * (1 - out)) | leg(beat.other, -12 * out, 0 * out)
    first = Motion(both[0] | both[1] | lunge | pose(out, lean=12))

    hands_on = keyed(beat.phase, (0.0, 0.38, 0.45, 0.55, 1.0), (0.0, 0.0, 1.0, 0.0, 0.0))
    hit = keyed(beat.phase, (0.0, 0.42, 0.58, 0.75, 1.0), (0.0, 0.0, 1.0, 0.4, 0.1))
    flung = pose(
        hit, left_arm_flex=35, right_arm_flex=35, left_arm_open=30, right_arm_open=30, left_elbow=40, right_elbow=40
    )
    stride = 17 + 6 * beat.manner
    back = keyed(beat.phase, (0.0, 0.43, 0.56, 0.63, 0.76, 1.0), (0.0, 0.0, stride, stride, 0.0, 0.0))
    lifts = [keyed(beat.phase, (0.0, t, t + 0.08, t + 0.12, t + 0.2, 1.0), (0, 0, 50, 50, 0, 0)) for t in (0.38, 0.58)]
    steps = leg(beat.side, -back, lifts[0]) | leg(beat.other, back, lifts[1])
    contact = Contact((21, 23), (4, 8), hands_on, (("left arm flex", "right arm flex"), ()), out)
    second = Motion(flung | steps | pose(hit, lean=-16, nod=12), contact=contact)
    return first, second


ACTIONS: Mapping[str, Action] = {
    "drink": drink,
    "phone call": phone,
    "wave": wave,
    "clap": clap,
    "rub hands": rub_hands,
    "thumb up": thumb(0.0),
    "thumb down": thumb(150.0),
    "raise both arms": raise_both_arms,
    "lower both arms": lower_both_arms,
    "kick": kick,
    "squat": squat,
    "jump": jump,
    "sit down": sit_down,
    "stand up": stand_up,
    "handshake": handshake,
    "push": push,
}
