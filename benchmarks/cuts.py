"""Where a clip is cut, and how sure that is: the share of each frame that the one before it explains.

    python benchmarks/cuts.py CLIP [CLIP ...] [--start 0] [--end N]

Also where the painting would begin anew because the frame has become something else than the paint was made for, as
in a cross-fade, and how near it comes to that elsewhere. Both are looked at at 128 pixels.
"""

import argparse

from styletransfer import pixels, read_video
from styletransfer.motion.scenes import SMALL, Cuts
from styletransfer.video.carry import Painted, both_ways, carry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", metavar="CLIP")
    parser.add_argument("--start", type=int)
    parser.add_argument("--end", type=int)
    arguments = parser.parse_args()
    titles = "clip", "frames", "cuts", "least share explained elsewhere", "begins anew", "most new elsewhere"
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for clip in arguments.clips:
        frames = read_video(clip, max_size=SMALL, start=arguments.start, end=arguments.end)
        print(row(clip, frames, arguments.start or 0), flush=True)


def row(clip: str, frames: object, begin: int) -> str:
    detector, flow = Cuts(), both_ways(None, "fast")
    cuts, anew, least, most, before = [], [], 1.0, 0.0, None
    for place, picture in enumerate(frames):
        source = pixels.to_inside(picture)
        frame = Painted(source, source, 1, place)
        if detector.is_cut(source[0]):
            cuts.append(str(begin + place))
        elif before is not None:
            least = min(least, detector.share)
            carried = carry([before], frame, (1,), flow)
            if carried is None:
                anew.append(str(begin + place))
            else:
                most = max(most, carried.news)
                frame = frame._replace(made_for=carried.made_for, news=carried.news, explained=carried.explained)
        before = frame
    cells = clip, str(place + 1), ", ".join(cuts) or "none", f"{least:.2f}", ", ".join(anew) or "none", f"{most:.3f}"
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
