"""When packets and frames are: FFmpeg's rules, as its command line applies them to `-i FILE`.

A container may not know when a frame is shown. AVI stores no times, and what FFmpeg makes up for
it is when a packet is decoded; a program stream may stamp one picture of several; a raw stream
stamps none; and where recordings were written one after the other, the clock starts again.

    on_one_clock   packets whose times go on where the file's clock jumps
    FrameTimes     the time of a decoded frame: what its packet says, as long as that is in order

The rules are those of `guess_correct_pts` in libavcodec/decode.c, and of `process_input` and
`decode_video` in fftools/ffmpeg.c of FFmpeg 5.1; later versions differ where a frame has no time.
Ours: only the video's own packets are looked at, so that a stream of sound never moves a picture;
and a raw stream, of which FFmpeg 5.1 stamps some packets, is counted, as in FFmpeg 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from av.format import Flags
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

_FORTH = 10
BACK = Fraction(1, 10)
"""Seconds beyond which a clock has jumped; less is late (a frame) or was left out (a gap)."""
_ABSURD = 30 * 3600
"""Seconds beyond which a time in a file whose clock may not jump is none."""


def on_one_clock(packets: Iterable[Any], container: Any, stream: VideoStream) -> Iterator[Any]:
    """The packets of a stream with times that go on where the file's own jump.

    Where the format lets a clock start again (transport and program streams, FLV, Ogg), packets
    after a jump follow the one before. Elsewhere a time that is absurdly far off is taken away.
    A packet that does not say when it is decoded follows the one before. Formats that hold no
    times lose those that FFmpeg makes up; `FrameTimes` counts frames then.
    """
    timeless = is_timeless(container)
    may_jump = _has(container, Flags.ts_discont)
    tick = stream.time_base or Fraction(1)
    forth, back, absurd = (round(seconds / tick) for seconds in (_FORTH, BACK, _ABSURD))
    offset = 0
    upcoming: int | None = None  # when the next packet should be decoded
    for packet in packets:
        if not packet.size or timeless:
            packet.pts = packet.dts = None
            yield packet
            continue
        dts, pts = packet.dts, packet.pts
        if offset:
            dts, pts = _plus(dts, offset), _plus(pts, offset)
        if upcoming is not None and dts is not None:
            far = dts - upcoming
            if may_jump:
                if not -back <= far <= forth:
                    offset -= far
                    dts, pts = upcoming, _plus(pts, -far)
            else:
                if pts is not None and not -absurd <= pts - upcoming <= absurd:
                    pts = None
                if not -absurd <= far <= absurd:
                    dts = None
        if dts is None:
            dts = upcoming
        packet.dts, packet.pts = dts, pts
        if dts is not None:
            upcoming = dts + (packet.duration or _frame_ticks(stream) or 0)
        yield packet


def is_timeless(container: Any) -> bool:
    """Whether the format holds no times, as raw streams of a codec do."""
    return _has(container, Flags.no_timestamps)


def _has(container: Any, flag: Any) -> bool:
    return bool(container.format.flags & flag.value)


class FrameTimes:
    """The time of each frame that a decoder gives, in the stream's time base.

    Args:
        container: where the frames come from.
        stream: the stream of it.
    """

    def __init__(self, container: Any, stream: VideoStream) -> None:
        self._stream = stream
        self._start = 0
        if not is_timeless(container) and container.start_time is not None and stream.time_base:
            self._start = round(Fraction(container.start_time, 1_000_000) / stream.time_base)
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self._faulty_pts = self._faulty_dts = 0
        self._last: int | None = None
        self._duration: int | None = None

    def of(self, frame: VideoFrame, *, is_last: bool) -> int | None:
        """When the next frame is shown; None where neither the file nor a frame rate tells.

        Args:
            frame: the next frame that the decoder gives.
            is_last: whether all packets have been decoded.
        """
        # Of two frames on one packet, the second one cannot be when that is decoded.
        again = frame.pts is None and frame.dts is not None and frame.dts == self._last_dts
        time = None if again else self._best(frame.pts, frame.dts)
        was_known = time is not None
        if time is None:
            if self._last is None:
                time = self._start
            elif self._duration:
                time = self._last + self._duration
            else:
                return None
        gap = None if self._last is None else time - self._last
        self._duration = self._lasts(frame, gap)
        if is_last and not was_known:
            # A packet's duration may be a guess of one tick.
            self._duration = _frame_ticks(self._stream) or self._duration
        self._last = time
        return time

    def _best(self, pts: int | None, dts: int | None) -> int | None:
        """FFmpeg's `guess_correct_pts`: the packet's time until it is wrong more often than `dts`.

        Args:
            pts: of the packet that holds the frame.
            dts: of the packet on which the decoder gave the frame, which is when it is shown
                where nothing but the order of frames is known.
        """
        if dts is not None:
            self._faulty_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faulty_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        trusted = self._faulty_pts <= self._faulty_dts or dts is None
        return pts if trusted and pts is not None else dts

    def _lasts(self, frame: VideoFrame, gap: int | None) -> int | None:
        """Ticks for which a frame is shown, as far as can be told before the next one."""
        duration = frame.duration or 0
        is_guess = duration == 1 and gap is not None and gap > 2
        if duration > 0 and not is_guess:
            return duration
        if gap is not None and gap > 0:
            return gap
        return _frame_ticks(self._stream) or duration or self._duration


def _frame_ticks(stream: VideoStream) -> int | None:
    """Ticks of one frame by the frame rate that the decoder, or else the container, tells."""
    rate = stream.codec_context.framerate or stream.average_rate
    if not rate or not stream.time_base:
        return None
    return round(1 / (rate * stream.time_base)) or None


def in_seconds(times: Iterable[int], time_base: Fraction) -> list[float]:
    """Times in a time base as the nearest seconds, to the last bit."""
    return [time * time_base.numerator / time_base.denominator for time in times]


def _plus(time: int | None, offset: int) -> int | None:
    return None if time is None else time + offset
