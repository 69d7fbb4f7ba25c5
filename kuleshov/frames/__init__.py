"""Decoding: the one package that imports PyAV.

What "the frame at t seconds" means: the frame on screen at that presentation time, that is, the
last one whose timestamp is not after t.

    pts      3.70      3.73      3.77            3.90     end 3.93
    screen   [ frame 0 ][ frame 1 ][    frame 2   ][ frame 3 ]
                              ^ t = 3.75 shows frame 1

So nothing here counts frames or multiplies by a frame rate where a file holds times, and variable
frame rate, edit lists and start offsets come out right. Where it does not, `clock` says what is
done, as FFmpeg's command line does it.

    container    a file's packets
    clock        when packets and frames are, also where the file says nothing or wrong things
    bitstream    what a packet says of itself before it is decoded
    encryption   whether a file that shows nothing is encrypted
    listing      when each packet is on screen, without decoding it
    sequential   every frame, from the start: always right, and slow
    selective    only what the wanted frames need: where that is proven to be the same
    scan         what a file really shows
    decode       the frames at given times, or all of them, in pixels
    scale        a decoded frame upright and in another size
    write        frames into a file
"""

from kuleshov.frames.decode import decode, decode_all
from kuleshov.frames.scan import StreamInfo, scan
from kuleshov.frames.write import encode_video, write_video

__all__ = ["VERSION", "StreamInfo", "decode", "decode_all", "encode_video", "scan", "write_video"]

VERSION = 2
"""Of what is shown: another one where some file and time give other pixels than before."""
