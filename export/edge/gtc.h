/* SPDX-License-Identifier: Apache-2.0

gtc.h: reads and writes .gtc pictures, the streams of gan_tfc, in C99 without dependencies.

Every integer is the one that gan_tfc computes: a stream written by either decodes to the same latents
and the same base picture with the other. The base picture is what a stream says of the original; the
synthesis network, which adds textures, is run by whatever runs ONNX or TFLite graphs on the device, and
starts from `gtc_rgb_float`.

Nothing is allocated: the caller passes a workspace whose size a function tells. All functions are
reentrant, and threads may share an opened codec.


-- Synopsis

    #define GTC_IMPLEMENTATION      // in one file of the program
    #include "gtc.h"

    gtc_codec codec;                // `codec_bin` must live as long as `codec`
    gtc_header header;
    gtc_picture picture;
    gtc_status status = gtc_open(&codec, codec_bin, codec_bin_bytes);
    if (!status) status = gtc_read_header(data, bytes, &header);
    if (!status) {
        size_t needed = gtc_decode_workspace_bytes(&codec, &header, 1);
        status = gtc_decode(&codec, data, bytes, malloc(needed), needed, NULL, NULL, &picture);
    }
    if (status) puts(gtc_status_text(status));
    else gtc_rgb8(&picture, pixels);  // header.height rows of header.width RGB pixels

Functions: gtc_status_text, gtc_open, gtc_read_header, gtc_prefix_bytes, gtc_quality, gtc_step_size,
gtc_decode_workspace_bytes, gtc_decode, gtc_preview, gtc_rgb8, gtc_rgb_float, gtc_position_noise,
gtc_encode_workspace_bytes, gtc_encode_bound, gtc_encode, gtc_encode_tuned.

Link with -lm where log2f lives there; only encoding calls it.


-- The container

    field           bytes   contents
    --------------  ------  ----------------------------------------------------------------
    magic           3       "GTC", 0x47 0x54 0x43
    format version  1       1
    flags           1       0; reserved, any other value is refused
    name length     1       1..32
    preset          1..32   ASCII: a..z, 0..9 and "_", the first not a digit
    preset version  1..5    LEB128, 1 or more
    tables digest   4       digest of the coding tables, as it is
    width           1..3    LEB128, 1..65536 pixels
    height          1..3    LEB128, 1..65536 pixels; width * height <= 2^28
    step code       2       the quantiser step, 0..2047: 2/255 * 2^(step code / 256)
    section count   1       4 (the container alone allows 1..16)
    section bytes   1..5    for each section, LEB128, 0 or more
    header CRC      2       CRC-16 of all bytes before it: polynomial 0x1021, start 0xFFFF
    --------------  ------  ----------------------------------------------------------------
    payloads                sections 1..4 back to back, coarsest level first
    stream CRC      4       CRC-32 of all bytes before it, the one of zip; the stream ends here

Step code and CRCs are big-endian. LEB128: seven bits a byte, lowest first, top bit set on all bytes but
the last, the shortest encoding only, values below 2^32.


-- The scan

A picture is padded to multiples of 2^levels by repeating its last row and column, taken to one luma and
two chroma axes and split `levels` times by the CDF 9/7 wavelet. Its symbols are coded coarse to fine:

    coarsest band --> picture --+--> first network --> means, scale indexes --> symbols of pass 1
           ^                    |          |                                         |
           |                    |          +---- features, known values <------------+
           |                    |                       |
           +---- merge <--------+---- values <----------+--> second network --> symbols of pass 2

Pass 1 codes a band at positions of odd row + column where its phase is 0, of even where it is 1; pass 2
codes the rest; each in the order row, column, band. The value of a symbol is 4 * symbol + mean in 1/4
step; symbols are clipped to +-2^17; a symbol of scale index 0 is 0 and not coded. Section 1 holds the
coarsest band and levels >= 3, section 4 holds level 0, the finest.

The step of the coarsest band is 2/255 * 2^octave, octave = max(2, (step code + 128) >> 8). Table rows:
0..63 by scale index, then three for each octave 2..8, one a plane.

With OCTAVE[i] = round(2^(i / 256 + 15)) the picture of the coarsest band is, in 1/64 step,

    (symbol * (OCTAVE[e & 255] << (8 + (e >> 8))) + 2^16) >> 17,    e = 256 * octave - step code


-- What networks read

    0..8    values of the next coarser level, repeated 2x2, in 1/16 step through COMPRESS
    9..11   picture minus its 3x3 binomial blur (edges repeated), (16 p - blur + 32) >> 6, through COMPRESS
    12      brightness: (luma * (OCTAVE[code & 255] << (code >> 8)) + half) >> (level + 22) in +-127
    13      step code >> 4

and the second pass

    0..8    values of the first pass in 1/16 step through COMPRESS, 0 where not yet decoded
    9       64 where row + column is odd, else 0

COMPRESS[m] = floor(18 asinh(m / 16) + 0.5) for m up to 8191, odd for negative numbers.


-- The networks

Convolutions with zeros outside, integer weights -127..127, accumulators below 2^24, and between layers
requantise(a, shift) = (a + 2^(shift - 1)) >> shift, clipped (`>>` floors):

    hidden   = requantise(trunk_in 3x3 (context), 7) in 0..255
    features = hidden + requantise(trunk 3x3 (hidden), 7) in +-255, the sum in 0..255
    first pass:  first_head 1x1 (features)
    second pass: second_head 1x1 (requantise(known 3x3 (known values) + mix 1x1 (features), 7) in 0..255)
    a head has 9 means, requantise(., 11) in +-127, and 9 scale indexes, 20 + requantise(., 9) in 0..63


-- The inverse wavelet, in 1/64 step, first along columns, then along rows

    even = (low * round(2^16 / K) + 2^15) >> 16       odd = (high * round(2^16 * K) + 2^15) >> 16
    even[n] -= (DELTA * (odd[n] + odd[n-1]) + 2^15) >> 16
    odd[n]  -= (GAMMA * (even[n] + even[n+1]) + 2^15) >> 16         (edge samples are repeated)
    even[n] -= (BETA * (odd[n] + odd[n-1]) + 2^15) >> 16
    odd[n]  -= (ALPHA * (even[n] + even[n+1]) + 2^15) >> 16

and the merged picture is clipped to +-(2^22 - 1).


-- The range coder

State: base = 0, size = 2^32. One step keeps the part [lo, hi) of 2^P:

    a = (size * lo) >> P;  b = (size * hi) >> P;  base += a;  size = b - a
    if size <= 2^16:  write base >> 16 (16 bits, high byte first);  base = (base mod 2^16) << 16;  size <<= 16

where base >= 2^32 first carries into what was written. A symbol minus its row's offset is an index v with
the part [c_v, c_(v+1)). In rows with an escape, index e = n - 1 announces another integer: Elias gamma of
g = v - e + 1 (sign 0) or g = -v (sign 1), g < 2^30, bit by bit with P = 1, and then the sign.
End: if base + size > 2^32, the words 0xFFFF at the end are dropped and the word before them is increased,
and its low byte is dropped where it is 0; else, unless base is 0, base rounded up to a multiple of 2^24 is
written as one byte if it is below base + size, and otherwise, rounded up to 2^16, as two.
The decoder reads zeros after the end.


-- codec.bin

    field             bytes     contents (little-endian; any alignment in memory will do here)
    ----------------  --------  --------------------------------------------------------------------
    magic             4         "GTCB"
    format version    1         1
    levels            1         L, 1..12
    name length       1         n, 1..32
    zero              1
    tables digest     4         as streams carry it
    preset version    4         1 or more
    rows              4         R = 85
    phase             9         0 or 1 for each band
    zeros             3
    preset            32        n characters, then zeros
    features          12        F of each level, finest first, 1..255; zeros after the L-th
    zeros             4
    rows              8 R       for each: offset (4, signed), number of indexes N (2), header (1,
                                signed: P, or -P with an escape, 1..16), zero (1)
    biases            4 each    signed; for each level, finest first: trunk_in (F), trunk (F),
                                first_head (18), known (F), second_head (18)
    CDFs              2 each    for each row: c_0 = 0, c_1 .. c_(N-1), rising strictly; c_N = 2^P left out
    kernels           1 each    signed, -127..127; for each level: trunk_in (3, 3, 14, F), trunk
                                (3, 3, F, F), first_head (1, 1, F, 18), known (3, 3, 10, F), mix
                                (1, 1, F, F), second_head (1, 1, F, 18): height, width, in, out
    zeros             0..3      up to a multiple of 4
    CRC               4         CRC-32 of all bytes before it; the file ends here
*/

#ifndef GTC_H
#define GTC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GTC_BANDS 9 /* 3 orientations (LH, HL, HH) x 3 colour planes */
#define GTC_SECTIONS 4
#define GTC_MAX_SECTIONS 16
#define GTC_MAX_LEVELS 12
#define GTC_MAX_NAME_BYTES 32
#define GTC_MAX_HEADER_BYTES 142 /* so many bytes of a file always hold its header */
#define GTC_TABLE_ROWS 85

/* What a function found; `gtc_status_text` has a sentence for each. */
typedef enum gtc_status {
    GTC_OK = 0,
    GTC_NOT_A_STREAM,
    GTC_UNSUPPORTED_FORMAT,
    GTC_TRUNCATED,
    GTC_DAMAGED_HEADER,
    GTC_BAD_FIELD,
    GTC_TOO_LARGE,
    GTC_TRAILING_BYTES,
    GTC_DAMAGED_STREAM,
    GTC_OTHER_TABLES,
    GTC_TOO_FEW_BYTES,
    GTC_BAD_ESCAPE,
    GTC_NOT_A_CODEC,
    GTC_UNSUPPORTED_CODEC,
    GTC_DAMAGED_CODEC,
    GTC_BAD_CODEC_SIZE,
    GTC_BAD_CODEC_FIELD,
    GTC_BAD_CODEC_TABLE,
    GTC_BAD_CODEC_WEIGHTS,
    GTC_BAD_SCALE,
    GTC_BAD_QUALITY,
    GTC_BAD_SIZE,
    GTC_WORKSPACE_TOO_SMALL,
    GTC_OUTPUT_TOO_SMALL,
    GTC_BAD_TUNE,
    GTC_STATUSES
} gtc_status;

/* What an encoder aims at; any stream decodes alike.

GTC_TUNE_PSNR:    the least squared error.
GTC_TUNE_VISUAL:  the least error that is seen: more bits in smooth places, fewer in busy ones. PSNR falls. */
typedef enum gtc_tune { GTC_TUNE_PSNR = 0, GTC_TUNE_VISUAL } gtc_tune;

/* One row of the coding tables. */
typedef struct gtc_row {
    const uint8_t *cdf; /* c_0 .. c_(count-1), 16 bits each; c_count is 2^precision */
    int32_t offset;     /* integer that index 0 stands for */
    int32_t count;
    int32_t escape; /* index that announces any other integer, -1 where the row has none */
    int32_t likely; /* the likeliest index but the escape, and its part of 2^precision */
    uint32_t likely_low, likely_high;
    int32_t precision;
} gtc_row;

/* A verified codec.bin. Read `preset`, `preset_version`, `digest` and `levels` only. */
typedef struct gtc_codec {
    char preset[GTC_MAX_NAME_BYTES + 1];
    uint32_t preset_version;
    uint8_t digest[4];
    int levels;
    uint8_t phase[GTC_BANDS];
    int features[GTC_MAX_LEVELS];
    const uint8_t *biases[GTC_MAX_LEVELS];
    const uint8_t *kernels[GTC_MAX_LEVELS];
    gtc_row rows[GTC_TABLE_ROWS];
    unsigned symbol_bits; /* no symbol takes more */
    int8_t compress[8192];
} gtc_codec;

/* The fields of a stream's header. */
typedef struct gtc_header {
    char preset[GTC_MAX_NAME_BYTES + 1];
    uint32_t preset_version;
    uint8_t digest[4];
    uint32_t width, height; /* of the picture, in pixels */
    uint32_t step_code;
    uint32_t sections;
    uint32_t section_bytes[GTC_MAX_SECTIONS];
    uint32_t header_bytes; /* where the first payload begins */
    uint64_t stream_bytes; /* of the complete stream */
} gtc_header;

/* A decoded picture; `samples` points into the workspace.

samples: padded_height x padded_width x 3, luma and two chroma planes in `unit`s of pixels in [0, 1].
height, width: the part at the top left that is the picture; the rest is padding. */
typedef struct gtc_picture {
    const int32_t *samples;
    uint32_t padded_height, padded_width;
    uint32_t height, width;
    double unit;
} gtc_picture;

/* The state of a scan after the coarsest band (level = levels of the codec) or one more level.

picture: height x width x 3 in 1/64 step, the picture at scale 2^level.
values:  height/2 x width/2 x 9 in 1/4 step, NULL after the coarsest band.
scales:  scale indexes 0..63 behind `values`, NULL after the coarsest band. */
typedef struct gtc_step {
    int level;
    uint32_t height, width;
    const int32_t *picture;
    const int32_t *values;
    const uint8_t *scales;
} gtc_step;

typedef void gtc_on_step(const gtc_step *step, void *user);

/* One sentence: what was expected, what came, and the mend. */
const char *gtc_status_text(gtc_status status);

/* Verify a codec.bin and index it; `data` is used in place (any alignment) and must outlive `codec`.

Refuses whatever the table above does not allow, and networks whose accumulators could reach 2^24; `codec` is
of use after GTC_OK only. That digest and contents belong together is not computed: the CRC-32 guards both. */
gtc_status gtc_open(gtc_codec *codec, const void *data, size_t bytes);

/* Read and check the header at the beginning of a stream; GTC_MAX_HEADER_BYTES of it always suffice. */
gtc_status gtc_read_header(const void *data, size_t bytes, gtc_header *header);

/* Bytes from the start of the stream that `gtc_preview` needs at a scale, 0 for a scale not offered. */
uint64_t gtc_prefix_bytes(const gtc_header *header, int scale);

/* The quality 1..100 that a step code stands for; codes beyond those of 1 and 100 extrapolate. */
double gtc_quality(uint32_t step_code);

/* The quantiser step of a code 0..2047, for pixels in [0, 1]. */
double gtc_step_size(uint32_t step_code);

/* Bytes of workspace for `gtc_decode` (scale 1) or `gtc_preview`; 0 where no memory could hold them. */
size_t gtc_decode_workspace_bytes(const gtc_codec *codec, const gtc_header *header, int scale);

/* Decode a complete stream to its base picture.

data, bytes:  the stream, neither shorter nor longer.
workspace:    any alignment; its contents before do not matter.
on_step:      called with every step of the scan, coarsest first, or NULL.
picture:      set on success only; valid until the workspace is used again. */
gtc_status gtc_decode(const gtc_codec *codec, const void *data, size_t bytes, void *workspace,
                      size_t workspace_bytes, gtc_on_step *on_step, void *user, gtc_picture *picture);

/* Decode the beginning of a stream to a picture that is `scale` times smaller: 1, 2, 4, ... 64, and not
above 2^levels. Needs `gtc_prefix_bytes` bytes; more are not looked at, and no CRC-32 guards them. Pixel
(i, j) is centred on pixel (scale i, scale j) of the whole picture. */
gtc_status gtc_preview(const gtc_codec *codec, const void *data, size_t bytes, int scale, void *workspace,
                       size_t workspace_bytes, gtc_picture *picture);

/* The picture as RGB bytes, height x width x 3. */
void gtc_rgb8(const gtc_picture *picture, uint8_t *rgb);

/* The picture with its padding as floats of about -0.5..0.5, padded_height x padded_width x 3: what the
synthesis network starts from. */
void gtc_rgb_float(const gtc_picture *picture, float *rgb);

/* Noise for the synthesis network, height x width x channels floats in (-1, 1), a function of position:
element (0, 0) of the tile is at (top, left) of the picture, in patches of 4x4 pixels. */
void gtc_position_noise(uint32_t height, uint32_t width, uint32_t channels, uint32_t top, uint32_t left,
                        float *noise);

/* Bytes of workspace for `gtc_encode` and `gtc_encode_tuned`; 0 for a size that streams do not have or no
memory could hold. */
size_t gtc_encode_workspace_bytes(const gtc_codec *codec, uint32_t width, uint32_t height);

/* Bytes that every stream of such a picture fits into, or 0 as above. Photographs take far less: three
bytes a pixel and 1000 more nearly always suffice. */
size_t gtc_encode_bound(const gtc_codec *codec, uint32_t width, uint32_t height);

/* Encode a picture.

rgb:      height x width x 3 bytes; 1 to 65536 a side, at most 2^28 pixels.
quality:  1 (smallest) to 100, any real number.
stream:   receives the stream, or GTC_OUTPUT_TOO_SMALL is returned where `capacity` does not suffice; room
          for the longest header, up to 142 bytes, is needed while encoding.
bytes:    receives the stream's length. */
gtc_status gtc_encode(const gtc_codec *codec, const uint8_t *rgb, uint32_t width, uint32_t height,
                      double quality, void *workspace, size_t workspace_bytes, uint8_t *stream,
                      size_t capacity, size_t *bytes);

/* As `gtc_encode`, which is this with GTC_TUNE_PSNR. At one quality, streams of GTC_TUNE_VISUAL have another
size: compare at equal bytes. Another tune is GTC_BAD_TUNE. */
gtc_status gtc_encode_tuned(const gtc_codec *codec, const uint8_t *rgb, uint32_t width, uint32_t height,
                            double quality, gtc_tune tune, void *workspace, size_t workspace_bytes,
                            uint8_t *stream, size_t capacity, size_t *bytes);

#ifdef __cplusplus
}
#endif

#endif /* GTC_H */


#ifdef GTC_IMPLEMENTATION

#include <math.h>
#include <string.h>

/* A profiler may define GTC_STAGE(stage); it is told whenever a stage begins. */
#ifndef GTC_STAGE
#define GTC_STAGE(stage) ((void)0)
#endif
enum {
    GTC_STAGE_OTHER,
    GTC_STAGE_ANALYSIS,
    GTC_STAGE_CONTEXT,
    GTC_STAGE_NETWORK,
    GTC_STAGE_CODING,
    GTC_STAGE_MERGE
};

/* Streams are defined with shifts that floor; every compiler in use has them. */
typedef char gtci_shifts_floor[(-3 >> 1) == -2 ? 1 : -1];

#define GTCI_CONTEXT 14
#define GTCI_KNOWN 10
#define GTCI_HEAD 18
#define GTCI_HEAD_SUMS 20 /* rounded up to what `gtci_accumulate` takes */
#define GTCI_SCALES 64
#define GTCI_MAX_SYMBOL (1 << 17)
#define GTCI_MAX_STEP_CODE 2047
#define GTCI_COARSEST_CODE 1752 /* of quality 1 */
#define GTCI_FINEST_CODE 150    /* of quality 100 */
#define GTCI_MAX_SIDE 65536u
#define GTCI_MAX_PIXELS (1u << 28)
#define GTCI_TWO_32 ((uint64_t)1 << 32)

static int32_t gtci_clip(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }


/* ---- Messages ---- */

const char *gtc_status_text(gtc_status status) {
    static const char *const texts[GTC_STATUSES] = {
        "no error",
        "expected a .gtc stream, which begins with 'GTC', but other data came: pass what an encoder wrote",
        "expected .gtc format version 1 with flags 0, but the stream has others: use a newer decoder",
        "the data ends before the stream does: fetch the rest of the file",
        "the header of the stream is damaged, its CRC-16 does not match: fetch the file again",
        "a field of the stream's header is out of its range, the stream is damaged: fetch the file again",
        "a picture has at most 65536 pixels a side and 2^28 in all, but the stream has more: code it in "
        "tiles",
        "bytes follow the end of the stream: cut them off or fetch the file again",
        "the stream is damaged, its CRC-32 does not match: fetch the file again",
        "the stream was written with other tables: use the codec.bin of the preset and version it names",
        "a picture of this size takes more bytes than the stream's first section has, the stream is damaged: "
        "fetch the file again",
        "the stream holds an escape code longer than any encoder writes, it is damaged: fetch the file again",
        "expected a codec.bin, which begins with 'GTCB', but other data came: copy the bundle again",
        "expected a codec.bin of format version 1, but it has another: use a newer decoder",
        "codec.bin is damaged, its CRC-32 does not match: copy the bundle again",
        "codec.bin is longer or shorter than its fields say: copy the bundle again",
        "a field of codec.bin is out of its range: copy the bundle again",
        "a row of coding tables in codec.bin does not rise strictly from 0: copy the bundle again",
        "weights in codec.bin are -127 to 127 with sums below 2^24, but it has others: copy the bundle again",
        "expected a scale of 1, 2, 4, 8, 16, 32 or 64, not above 2^levels, but another came: pass one of "
        "them",
        "expected a quality from 1 to 100, but another came: pass one in this range",
        "expected a picture of 1 to 65536 pixels a side and at most 2^28, but another came: code it in tiles",
        "the workspace is too small: pass as many bytes as gtc_decode_workspace_bytes or "
        "gtc_encode_workspace_bytes says",
        "the buffer is too small for the stream: pass gtc_encode_bound bytes",
        "expected GTC_TUNE_PSNR or GTC_TUNE_VISUAL, but another tune came: pass one of them",
    };
    return (unsigned)status < GTC_STATUSES ? texts[status]
                                           : "not a status of gtc.h: pass what a function returned";
}


/* ---- Bytes ---- */

static uint32_t gtci_le16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }

static uint32_t gtci_le32(const uint8_t *p) { return gtci_le16(p) | gtci_le16(p + 2) << 16; }

static uint32_t gtci_be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

static uint32_t gtci_be32(const uint8_t *p) { return gtci_be16(p) << 16 | gtci_be16(p + 2); }

static int32_t gtci_signed32(uint32_t x) { return x < 0x80000000u ? (int32_t)x : -(int32_t)~x - 1; }

static void gtci_put16(uint8_t *p, uint32_t x) {
    p[0] = (uint8_t)(x >> 8);
    p[1] = (uint8_t)x;
}

static void gtci_put32(uint8_t *p, uint32_t x) {
    gtci_put16(p, x >> 16);
    gtci_put16(p + 2, x);
}

static uint32_t gtci_crc16(const uint8_t *data, size_t bytes) {
    uint32_t crc = 0xFFFF;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= (uint32_t)data[i] << 8;
        for (int bit = 0; bit < 8; bit++) crc = (crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xFFFF;
    }
    return crc;
}

static uint32_t gtci_crc32(const uint8_t *data, size_t bytes) {
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}


/* ---- Container ---- */

typedef struct gtci_reader {
    const uint8_t *data;
    size_t bytes, position;
    gtc_status status; /* the first error; reading goes on with zeros */
} gtci_reader;

static const uint8_t *gtci_take(gtci_reader *reader, size_t count) {
    static const uint8_t zeros[GTC_MAX_NAME_BYTES] = {0};
    if (reader->status || count > reader->bytes - reader->position) {
        if (!reader->status) reader->status = GTC_TRUNCATED;
        return zeros;
    }
    reader->position += count;
    return reader->data + reader->position - count;
}

static uint32_t gtci_take_number(gtci_reader *reader, uint32_t low, uint32_t high) {
    uint32_t value = *gtci_take(reader, 1);
    if (!reader->status && (value < low || value > high)) reader->status = GTC_BAD_FIELD;
    return reader->status ? low : value;
}

static uint32_t gtci_take_leb128(gtci_reader *reader) {
    uint64_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        uint32_t byte = *gtci_take(reader, 1);
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte >= 0x80) continue;
        if (reader->status || (value < GTCI_TWO_32 && (byte || !shift))) return (uint32_t)value;
        break;
    }
    reader->status = GTC_BAD_FIELD;
    return 0;
}

static uint8_t *gtci_put_leb128(uint8_t *out, uint32_t value) {
    for (; value >= 0x80; value >>= 7) *out++ = (uint8_t)(value | 0x80);
    *out++ = (uint8_t)value;
    return out;
}

static int gtci_is_name(const char *name, size_t length) {
    if (length < 1 || length > GTC_MAX_NAME_BYTES || (name[0] >= '0' && name[0] <= '9')) return 0;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return 0;
    }
    return 1;
}

/* Fields up to the header CRC, whose position is `header_bytes` then; ranges are not checked. */
static gtc_status gtci_read_fields(gtci_reader *reader, gtc_header *header, size_t *name_bytes) {
    const uint8_t *start = gtci_take(reader, 2);
    memset(header, 0, sizeof *header);
    if (!reader->status && (start[0] != 1 || start[1] != 0)) return GTC_UNSUPPORTED_FORMAT;
    *name_bytes = gtci_take_number(reader, 1, GTC_MAX_NAME_BYTES);
    memcpy(header->preset, gtci_take(reader, *name_bytes), *name_bytes);
    header->preset_version = gtci_take_leb128(reader);
    memcpy(header->digest, gtci_take(reader, 4), 4);
    header->width = gtci_take_leb128(reader);
    header->height = gtci_take_leb128(reader);
    header->step_code = gtci_be16(gtci_take(reader, 2));
    header->sections = gtci_take_number(reader, 1, GTC_MAX_SECTIONS);
    for (uint32_t i = 0; i < header->sections; i++) header->section_bytes[i] = gtci_take_leb128(reader);
    header->header_bytes = (uint32_t)reader->position;
    return reader->status;
}

static gtc_status gtci_check_size(uint32_t width, uint32_t height) {
    if (width < 1 || height < 1) return GTC_BAD_FIELD;
    if (width > GTCI_MAX_SIDE || height > GTCI_MAX_SIDE || (uint64_t)width * height > GTCI_MAX_PIXELS)
        return GTC_TOO_LARGE;
    return GTC_OK;
}

gtc_status gtc_read_header(const void *data, size_t bytes, gtc_header *header) {
    gtci_reader reader = {(const uint8_t *)data, bytes, 3, GTC_OK};
    size_t name_bytes = 0, compared = bytes < 3 ? bytes : 3;
    if (!bytes || memcmp(data, "GTC", compared) != 0) return GTC_NOT_A_STREAM;
    if (bytes < 3) return GTC_TRUNCATED;
    gtc_status status = gtci_read_fields(&reader, header, &name_bytes);
    if (status) return status;
    uint32_t computed = gtci_crc16(reader.data, reader.position), stored = gtci_be16(gtci_take(&reader, 2));
    if (reader.status) return reader.status;
    if (stored != computed) return GTC_DAMAGED_HEADER;
    header->header_bytes = (uint32_t)reader.position;
    header->stream_bytes = reader.position + 4;
    for (uint32_t i = 0; i < header->sections; i++) header->stream_bytes += header->section_bytes[i];
    if (!gtci_is_name(header->preset, name_bytes) || header->preset_version < 1) return GTC_BAD_FIELD;
    return gtci_check_size(header->width, header->height);
}

/* Writes at most GTC_MAX_HEADER_BYTES; returns how many. */
static size_t gtci_write_header(const gtc_header *header, uint8_t *out) {
    size_t name_bytes = strlen(header->preset);
    uint8_t *p = out + 6 + name_bytes;
    memcpy(out, "GTC\1\0", 5);
    out[5] = (uint8_t)name_bytes;
    memcpy(out + 6, header->preset, name_bytes);
    p = gtci_put_leb128(p, header->preset_version);
    memcpy(p, header->digest, 4);
    p = gtci_put_leb128(p + 4, header->width);
    p = gtci_put_leb128(p, header->height);
    gtci_put16(p, header->step_code);
    p[2] = (uint8_t)header->sections;
    p += 3;
    for (uint32_t i = 0; i < header->sections; i++) p = gtci_put_leb128(p, header->section_bytes[i]);
    gtci_put16(p, gtci_crc16(out, (size_t)(p - out)));
    return (size_t)(p + 2 - out);
}

static gtc_status gtci_check_stream(const gtc_header *header, const uint8_t *data, size_t bytes) {
    if (bytes < header->stream_bytes) return GTC_TRUNCATED;
    if (bytes > header->stream_bytes) return GTC_TRAILING_BYTES;
    return gtci_crc32(data, bytes - 4) == gtci_be32(data + bytes - 4) ? GTC_OK : GTC_DAMAGED_STREAM;
}


/* ---- Steps ---- */

/* round(2^(i / 256 + 15)) */
static const uint16_t gtci_octave[256] = {
    32768, 32857, 32946, 33035, 33125, 33215, 33305, 33395, 33486, 33576, 33667, 33759, 33850, 33942, 34034,
    34126, 34219, 34312, 34405, 34498, 34591, 34685, 34779, 34874, 34968, 35063, 35158, 35253, 35349, 35445,
    35541, 35637, 35734, 35831, 35928, 36025, 36123, 36221, 36319, 36417, 36516, 36615, 36715, 36814, 36914,
    37014, 37114, 37215, 37316, 37417, 37518, 37620, 37722, 37824, 37927, 38030, 38133, 38236, 38340, 38444,
    38548, 38653, 38757, 38863, 38968, 39074, 39180, 39286, 39392, 39499, 39606, 39714, 39821, 39929, 40037,
    40146, 40255, 40364, 40473, 40583, 40693, 40804, 40914, 41025, 41136, 41248, 41360, 41472, 41584, 41697,
    41810, 41923, 42037, 42151, 42265, 42380, 42495, 42610, 42726, 42841, 42958, 43074, 43191, 43308, 43425,
    43543, 43661, 43780, 43898, 44017, 44137, 44256, 44376, 44497, 44617, 44738, 44859, 44981, 45103, 45225,
    45348, 45471, 45594, 45718, 45842, 45966, 46091, 46216, 46341, 46467, 46593, 46719, 46846, 46973, 47100,
    47228, 47356, 47484, 47613, 47742, 47871, 48001, 48131, 48262, 48393, 48524, 48655, 48787, 48920, 49052,
    49185, 49319, 49452, 49586, 49721, 49856, 49991, 50126, 50262, 50399, 50535, 50672, 50810, 50947, 51085,
    51224, 51363, 51502, 51642, 51782, 51922, 52063, 52204, 52346, 52488, 52630, 52773, 52916, 53059, 53203,
    53347, 53492, 53637, 53782, 53928, 54074, 54221, 54368, 54515, 54663, 54811, 54960, 55109, 55258, 55408,
    55558, 55709, 55860, 56012, 56163, 56316, 56468, 56622, 56775, 56929, 57083, 57238, 57393, 57549, 57705,
    57861, 58018, 58176, 58333, 58491, 58650, 58809, 58968, 59128, 59289, 59449, 59611, 59772, 59934, 60097,
    60260, 60423, 60587, 60751, 60916, 61081, 61247, 61413, 61579, 61746, 61914, 62081, 62250, 62419, 62588,
    62757, 62928, 63098, 63269, 63441, 63613, 63785, 63958, 64132, 64306, 64480, 64655, 64830, 65006, 65182,
    65359,
};

double gtc_step_size(uint32_t step_code) {
    /* 2^(1/256), 2^(2/256), 2^(4/256), ... */
    static const double roots[8] = {
        1.0027112750502025, 1.0054299011128027, 1.0108892860517005, 1.0218971486541166,
        1.0442737824274138, 1.0905077326652577, 1.189207115002721,  1.4142135623730951,
    };
    double step = 2.0 / 255;
    for (int bit = 0; bit < 8; bit++) {
        if (step_code >> bit & 1) step *= roots[bit];
    }
    return step * (double)((uint32_t)1 << (step_code >> 8 & 31));
}

double gtc_quality(uint32_t step_code) {
    return 1 + ((double)step_code - GTCI_COARSEST_CODE) * 99 / (GTCI_FINEST_CODE - GTCI_COARSEST_CODE);
}

/* Halves go to the even neighbour, as in Python. */
static uint32_t gtci_quality_to_code(double quality) {
    double exact = GTCI_COARSEST_CODE + (quality - 1) * (GTCI_FINEST_CODE - GTCI_COARSEST_CODE) / 99;
    uint32_t code = (uint32_t)exact;
    double rest = exact - code;
    return code + (rest > 0.5 || (rest == 0.5 && (code & 1)));
}

static int gtci_coarsest_octave(uint32_t code) { return code + 128 < 768 ? 2 : (int)((code + 128) >> 8); }

static int gtci_coarsest_row(uint32_t code) { return GTCI_SCALES + 3 * (gtci_coarsest_octave(code) - 2); }

static int64_t gtci_coarsest_scale(uint32_t code) {
    /* One octave more than needed keeps the exponent positive. */
    uint32_t exponent = 256 * (uint32_t)gtci_coarsest_octave(code) + 256 - code;
    return (int64_t)gtci_octave[exponent & 255] << (7 + (exponent >> 8));
}

/* The level whose picture is `scale` times smaller, or -1. */
static int gtci_level_of_scale(int scale) {
    for (int level = 0; level <= 6; level++) {
        if (scale == 1 << level) return level;
    }
    return -1;
}

/* Section of a level; that of the coarsest band is 0. */
static uint32_t gtci_section_of(int level) { return level > 3 ? 0 : (uint32_t)(3 - level); }

uint64_t gtc_prefix_bytes(const gtc_header *header, int scale) {
    int level = gtci_level_of_scale(scale);
    uint64_t bytes = header->header_bytes;
    if (level < 0) return 0;
    for (uint32_t i = 0; i <= gtci_section_of(level); i++) bytes += header->section_bytes[i];
    return bytes;
}


/* ---- codec.bin ---- */

/* Least magnitudes in 1/16 step that COMPRESS takes to 1, 2, 3, ... */
static const uint16_t gtci_compress_from[] = {
    1,    2,    3,    4,    5,    5,    6,    7,    8,    9,    10,   11,   13,   14,   15,   16,
    17,   19,   20,   21,   23,   24,   26,   28,   30,   32,   34,   36,   38,   40,   43,   45,
    48,   51,   54,   57,   60,   64,   67,   71,   76,   80,   85,   89,   95,   100,  106,  112,
    118,  125,  132,  140,  148,  156,  165,  175,  185,  195,  207,  218,  231,  244,  258,  273,
    288,  305,  322,  340,  360,  380,  402,  425,  449,  475,  502,  531,  561,  593,  627,  663,
    701,  741,  783,  828,  875,  925,  978,  1034, 1093, 1155, 1221, 1291, 1365, 1443, 1525, 1612,
    1704, 1801, 1904, 2013, 2128, 2250, 2378, 2514, 2658, 2809, 2970, 3139, 3319, 3508, 3709, 3921,
    4145, 4381, 4632, 4896, 5176, 5472, 5784, 6114, 6464, 6833, 7223, 7636, 8072,
};

static void gtci_fill_compress(int8_t *table) {
    int count = (int)(sizeof gtci_compress_from / sizeof *gtci_compress_from), level = 0;
    for (int magnitude = 0; magnitude < 8192; magnitude++) {
        while (level < count && magnitude >= gtci_compress_from[level]) level++;
        table[magnitude] = (int8_t)level;
    }
}

/* Signed integers in 1/16 step -> -127..127, about logarithmic. */
static int16_t gtci_compress(const int8_t *table, int32_t x) {
    int32_t magnitude = x < 0 ? -x : x, level = table[magnitude < 8191 ? magnitude : 8191];
    return (int16_t)(x < 0 ? -level : level);
}

static uint32_t gtci_cdf(const gtc_row *row, int32_t index) {
    return index < row->count ? gtci_le16(row->cdf + 2 * (size_t)index) : (uint32_t)1 << row->precision;
}

static int gtci_digits(uint32_t x) {
    int digits = 0;
    for (; x; x >>= 1) digits++;
    return digits;
}

enum {
    GTCI_TRUNK_IN,
    GTCI_TRUNK,
    GTCI_FIRST_HEAD,
    GTCI_KNOWN_LAYER,
    GTCI_MIX,
    GTCI_SECOND_HEAD,
    GTCI_LAYERS
};

typedef struct gtci_shape {
    int side, inputs, outputs;
} gtci_shape;

static gtci_shape gtci_layer_shape(int layer, int features) {
    gtci_shape shape = {3, features, features};
    if (layer == GTCI_TRUNK_IN) shape.inputs = GTCI_CONTEXT;
    if (layer == GTCI_KNOWN_LAYER) shape.inputs = GTCI_KNOWN;
    if (layer == GTCI_FIRST_HEAD || layer == GTCI_SECOND_HEAD) shape.outputs = GTCI_HEAD;
    if (layer == GTCI_FIRST_HEAD || layer == GTCI_SECOND_HEAD || layer == GTCI_MIX) shape.side = 1;
    return shape;
}

static size_t gtci_weights(gtci_shape shape) {
    return (size_t)(shape.side * shape.side * shape.inputs) * (size_t)shape.outputs;
}

static size_t gtci_network_weights(int features) {
    size_t weights = 0;
    for (int layer = 0; layer < GTCI_LAYERS; layer++)
        weights += gtci_weights(gtci_layer_shape(layer, features));
    return weights;
}

static size_t gtci_network_biases(int features) { return 3 * (size_t)features + 2 * GTCI_HEAD; }

/* Adds the weights of a layer into each output to `sums`; 0 if one is -128. */
static int gtci_sum_weights(const uint8_t *kernel, gtci_shape shape, int64_t *sums) {
    size_t weights = gtci_weights(shape);
    int output = 0;
    for (size_t i = 0; i < weights; i++) {
        if (kernel[i] == 128) return 0;
        sums[output] += kernel[i] < 128 ? kernel[i] : 256 - kernel[i];
        if (++output == shape.outputs) output = 0;
    }
    return 1;
}

/* No accumulator of the network may reach 2^24. */
static int gtci_network_is_exact(const uint8_t *biases, const uint8_t *kernels, int features) {
    for (int layer = 0; layer < GTCI_LAYERS; layer++) {
        int64_t sums[256] = {0};
        gtci_shape shape = gtci_layer_shape(layer, features);
        if (!gtci_sum_weights(kernels, shape, sums)) return 0;
        kernels += gtci_weights(shape);
        if (layer == GTCI_KNOWN_LAYER) { /* `mix` is added to the same accumulators */
            gtci_shape mix = gtci_layer_shape(++layer, features);
            if (!gtci_sum_weights(kernels, mix, sums)) return 0;
            kernels += gtci_weights(mix);
        }
        for (int output = 0; output < shape.outputs; output++, biases += 4) {
            int64_t bias = gtci_signed32(gtci_le32(biases)), half = shape.side == 1 ? 1 << 10 : 1 << 6;
            if (255 * sums[output] + (bias < 0 ? -bias : bias) + half >= 1 << 24) return 0;
        }
    }
    return 1;
}

static void gtci_find_likely(gtc_row *row) {
    uint32_t widest = 0;
    row->likely = 0;
    row->likely_low = row->likely_high = 0; /* an empty part never matches */
    for (int32_t index = 0; index < row->count; index++) {
        uint32_t low = gtci_cdf(row, index), high = gtci_cdf(row, index + 1);
        if (index == row->escape || high - low <= widest) continue;
        widest = high - low;
        row->likely = index;
        row->likely_low = low;
        row->likely_high = high;
    }
}

static gtc_status gtci_open_row(gtc_row *row, const gtc_row *before) {
    uint32_t last = 0;
    if (row->precision < 1 || row->precision > 16 || row->count < 1) return GTC_BAD_CODEC_FIELD;
    if (row->offset < -(1 << 29) || row->offset > 1 << 29) return GTC_BAD_CODEC_FIELD;
    /* The flat form of the tables skips repetitions of 2^P after a row. */
    if (before && row->escape < 0 && row->precision == 1 << before->precision) return GTC_BAD_CODEC_FIELD;
    for (int32_t index = 0; index <= row->count; index++) {
        uint32_t next = gtci_cdf(row, index);
        if (index ? next <= last : next != 0) return GTC_BAD_CODEC_TABLE;
        last = next;
    }
    gtci_find_likely(row);
    return GTC_OK;
}

static gtc_status gtci_open_rows(gtc_codec *codec) {
    codec->symbol_bits = 0;
    for (int i = 0; i < GTC_TABLE_ROWS; i++) {
        gtc_row *row = &codec->rows[i];
        gtc_status status = gtci_open_row(row, i ? row - 1 : NULL);
        if (status) return status;
        uint32_t reach = GTCI_MAX_SYMBOL + 1 + (uint32_t)(row->offset < 0 ? -row->offset : row->offset);
        unsigned bits = (unsigned)(row->precision + 1 + 2 * gtci_digits(reach));
        if (bits > codec->symbol_bits) codec->symbol_bits = bits;
    }
    return GTC_OK;
}

static gtc_status gtci_open_header(gtc_codec *codec, const uint8_t *data) {
    static const uint8_t zeros[32] = {0};
    size_t name_bytes = data[6];
    if (gtci_le32(data + 16) != GTC_TABLE_ROWS || data[5] < 1 || data[5] > GTC_MAX_LEVELS)
        return GTC_BAD_CODEC_FIELD;
    if (!gtci_is_name((const char *)data + 32, name_bytes)) return GTC_BAD_CODEC_FIELD;
    if (data[7] || memcmp(data + 29, zeros, 3) || memcmp(data + 76, zeros, 4)) return GTC_BAD_CODEC_FIELD;
    if (memcmp(data + 32 + name_bytes, zeros, 32 - name_bytes)) return GTC_BAD_CODEC_FIELD;
    memset(codec, 0, sizeof *codec);
    memcpy(codec->preset, data + 32, name_bytes);
    memcpy(codec->digest, data + 8, 4);
    memcpy(codec->phase, data + 20, GTC_BANDS);
    codec->preset_version = gtci_le32(data + 12);
    codec->levels = data[5];
    for (int level = 0; level < GTC_MAX_LEVELS; level++) {
        codec->features[level] = data[64 + level];
        if ((level < codec->levels) != (codec->features[level] > 0)) return GTC_BAD_CODEC_FIELD;
    }
    for (int band = 0; band < GTC_BANDS; band++) {
        if (codec->phase[band] > 1) return GTC_BAD_CODEC_FIELD;
    }
    return codec->preset_version ? GTC_OK : GTC_BAD_CODEC_FIELD;
}

/* Points rows, biases and kernels into the file; every size is known before anything is read there. */
static gtc_status gtci_open_arrays(gtc_codec *codec, const uint8_t *data, size_t bytes) {
    const uint8_t *entry = data + 80;
    size_t position = 80 + 8 * GTC_TABLE_ROWS;
    if (bytes < position + 4) return GTC_BAD_CODEC_SIZE;
    for (int level = 0; level < codec->levels; level++) {
        codec->biases[level] = data + (position < bytes ? position : bytes);
        position += 4 * gtci_network_biases(codec->features[level]);
    }
    for (int i = 0; i < GTC_TABLE_ROWS; i++, entry += 8) {
        gtc_row *row = &codec->rows[i];
        int header = entry[6] < 128 ? entry[6] : entry[6] - 256;
        if (entry[7]) return GTC_BAD_CODEC_FIELD;
        row->offset = gtci_signed32(gtci_le32(entry));
        row->count = (int32_t)gtci_le16(entry + 4);
        row->precision = header < 0 ? -header : header;
        row->escape = header < 0 ? row->count - 1 : -1;
        row->cdf = data + (position < bytes ? position : bytes);
        position += 2 * (size_t)row->count;
    }
    for (int level = 0; level < codec->levels; level++) {
        codec->kernels[level] = data + (position < bytes ? position : bytes);
        position += gtci_network_weights(codec->features[level]);
    }
    for (; position % 4; position++) {
        if (position < bytes && data[position]) return GTC_BAD_CODEC_SIZE;
    }
    return position + 4 == bytes ? GTC_OK : GTC_BAD_CODEC_SIZE;
}

gtc_status gtc_open(gtc_codec *codec, const void *data, size_t bytes) {
    const uint8_t *file = (const uint8_t *)data;
    if (bytes < 84 || memcmp(file, "GTCB", 4) != 0) return GTC_NOT_A_CODEC;
    if (file[4] != 1) return GTC_UNSUPPORTED_CODEC;
    if (gtci_crc32(file, bytes - 4) != gtci_le32(file + bytes - 4)) return GTC_DAMAGED_CODEC;
    gtc_status status = gtci_open_header(codec, file);
    if (!status) status = gtci_open_arrays(codec, file, bytes);
    if (!status) status = gtci_open_rows(codec);
    if (status) return status;
    for (int level = 0; level < codec->levels; level++) {
        if (!gtci_network_is_exact(codec->biases[level], codec->kernels[level], codec->features[level]))
            return GTC_BAD_CODEC_WEIGHTS;
    }
    gtci_fill_compress(codec->compress);
    return GTC_OK;
}


/* ---- Range decoder ---- */

typedef struct gtci_decoder {
    const uint8_t *next, *end;
    uint64_t size;
    uint32_t distance; /* of the message from the interval's start, below `size` */
    int corrupt;
} gtci_decoder;

static uint32_t gtci_next_word(gtci_decoder *decoder) {
    uint32_t word = 0;
    if (decoder->end - decoder->next >= 2) {
        word = gtci_be16(decoder->next);
        decoder->next += 2;
    } else if (decoder->next < decoder->end) {
        word = (uint32_t)*decoder->next++ << 8;
    }
    return word;
}

static void gtci_start_decoder(gtci_decoder *decoder, const uint8_t *data, size_t bytes) {
    decoder->next = data;
    decoder->end = data + bytes;
    decoder->size = GTCI_TWO_32;
    decoder->corrupt = 0;
    decoder->distance = gtci_next_word(decoder) << 16;
    decoder->distance |= gtci_next_word(decoder);
}

/* Keep [a, b) of the interval. */
static void gtci_keep(gtci_decoder *decoder, uint64_t a, uint64_t b) {
    decoder->distance -= (uint32_t)a;
    decoder->size = b - a;
    if (decoder->size <= 65536) {
        decoder->distance = decoder->distance << 16 | gtci_next_word(decoder);
        decoder->size <<= 16;
    }
}

static uint32_t gtci_decode_bit(gtci_decoder *decoder) {
    uint64_t half = decoder->size >> 1;
    uint32_t bit = decoder->distance >= half;
    gtci_keep(decoder, bit ? half : 0, bit ? decoder->size : half);
    return bit;
}

/* Index outside its row: gamma code and sign. */
static int32_t gtci_decode_escape(gtci_decoder *decoder, int32_t escape) {
    int digits = 1;
    int32_t gamma = 1;
    while (!gtci_decode_bit(decoder)) {
        if (++digits > 30) {
            decoder->corrupt = 1;
            return 0;
        }
    }
    while (--digits) gamma = gamma << 1 | (int32_t)gtci_decode_bit(decoder);
    return gtci_decode_bit(decoder) ? -gamma : gamma + escape - 1;
}

static int32_t gtci_decode_symbol(gtci_decoder *decoder, const gtc_row *row) {
    uint64_t size = decoder->size, distance = decoder->distance;
    uint64_t a = (size * row->likely_low) >> row->precision, b = (size * row->likely_high) >> row->precision;
    int32_t index = row->likely;
    if (distance < a || distance >= b) {
        int32_t low = distance < a ? 0 : index, high = distance < a ? index : row->count;
        while (high - low > 1) { /* the part of `low` begins at or before the message, that of `high` after */
            int32_t middle = low + (high - low) / 2;
            uint64_t start = (size * gtci_le16(row->cdf + 2 * (size_t)middle)) >> row->precision;
            if (start <= distance) low = middle;
            else high = middle;
        }
        index = low;
        a = (size * gtci_cdf(row, index)) >> row->precision;
        b = (size * gtci_cdf(row, index + 1)) >> row->precision;
    }
    gtci_keep(decoder, a, b);
    if (index == row->escape) index = gtci_decode_escape(decoder, index);
    return gtci_clip(index + row->offset, -GTCI_MAX_SYMBOL, GTCI_MAX_SYMBOL);
}


/* ---- Range encoder ---- */

typedef struct gtci_encoder {
    uint8_t *start, *next, *end;
    uint64_t base, size;
    int full; /* the buffer does not suffice; what follows is dropped */
} gtci_encoder;

static void gtci_start_encoder(gtci_encoder *encoder, uint8_t *start, uint8_t *end) {
    encoder->start = encoder->next = start;
    encoder->end = end;
    encoder->base = 0;
    encoder->size = GTCI_TWO_32;
    encoder->full = 0;
}

static void gtci_write_word(gtci_encoder *encoder, uint32_t word) {
    if (encoder->end - encoder->next < 2) {
        encoder->full = 1;
        return;
    }
    gtci_put16(encoder->next, word);
    encoder->next += 2;
}

/* Pass an overflow of `base` on to the words written. */
static void gtci_carry(gtci_encoder *encoder) {
    uint8_t *byte = encoder->next;
    if (!(encoder->base >> 32)) return;
    encoder->base &= 0xFFFFFFFF;
    while (byte > encoder->start && ++*--byte == 0) {
    }
}

static void gtci_narrow(gtci_encoder *encoder, uint32_t low, uint32_t high, int precision) {
    uint64_t a = (encoder->size * low) >> precision, b = (encoder->size * high) >> precision;
    encoder->base += a;
    encoder->size = b - a;
    if (encoder->size <= 65536) {
        gtci_carry(encoder);
        gtci_write_word(encoder, (uint32_t)(encoder->base >> 16));
        encoder->base = (encoder->base & 0xFFFF) << 16;
        encoder->size <<= 16;
    }
}

static void gtci_encode_escape(gtci_encoder *encoder, int32_t index, int32_t escape) {
    uint32_t sign = index < 0, gamma = (uint32_t)(sign ? -index : index - escape + 1);
    int digits = gtci_digits(gamma);
    for (int i = 1; i < digits; i++) gtci_narrow(encoder, 0, 1, 1);
    while (digits--) gtci_narrow(encoder, gamma >> digits & 1, (gamma >> digits & 1) + 1, 1);
    gtci_narrow(encoder, sign, sign + 1, 1);
}

/* Returns the symbol; one that a row without escape cannot code is clipped. */
static int32_t gtci_encode_symbol(gtci_encoder *encoder, const gtc_row *row, int32_t symbol) {
    int32_t index = gtci_clip(symbol, -GTCI_MAX_SYMBOL, GTCI_MAX_SYMBOL) - row->offset, coded;
    if (row->escape < 0) index = gtci_clip(index, 0, row->count - 1);
    coded = row->escape >= 0 && (index < 0 || index > row->escape) ? row->escape : index;
    gtci_narrow(encoder, gtci_cdf(row, coded), gtci_cdf(row, coded + 1), row->precision);
    if (coded == row->escape) gtci_encode_escape(encoder, index, row->escape);
    return gtci_clip(index + row->offset, -GTCI_MAX_SYMBOL, GTCI_MAX_SYMBOL);
}

static void gtci_write_tail(gtci_encoder *encoder, uint32_t word) {
    gtci_write_word(encoder, word);
    if (!encoder->full && !(word & 0xFF)) encoder->next--;
}

static void gtci_finish_encoder(gtci_encoder *encoder) {
    gtci_carry(encoder);
    uint64_t base = encoder->base, top = base + encoder->size;
    if (encoder->full) return;
    if (top > GTCI_TWO_32) {
        while (encoder->next > encoder->start && gtci_be16(encoder->next - 2) == 0xFFFF) encoder->next -= 2;
        if (encoder->next == encoder->start) return; /* does not happen: the first word never overflows */
        encoder->next -= 2;
        gtci_write_tail(encoder, gtci_be16(encoder->next) + 1);
    } else if (base) {
        uint64_t rounded = (base + 0xFFFFFF) >> 24 << 24;
        if (rounded < top) gtci_write_tail(encoder, (uint32_t)(rounded >> 16));
        else {
            gtci_write_word(encoder, (uint32_t)((base + 0xFFFF) >> 16));
        }
    }
}


/* ---- Inverse wavelet ---- */

#define GTCI_INVERSE_K 57007
#define GTCI_K 75340
#define GTCI_DELTA 29066
#define GTCI_GAMMA 57862
#define GTCI_BETA (-3472)
#define GTCI_ALPHA (-103949)
#define GTCI_LIMIT ((1 << 22) - 1)

static int32_t gtci_scaled(int64_t x, int32_t factor) { return (int32_t)((x * factor + 32768) >> 16); }

/* target -= factor * (left + right) */
static void gtci_lift(int32_t *target, const int32_t *left, const int32_t *right, size_t count,
                      int32_t factor) {
    for (size_t i = 0; i < count; i++) target[i] -= gtci_scaled((int64_t)left[i] + right[i], factor);
}

/* One row, low half and high half, to a row of the picture; `spare` holds as many samples. */
static void gtci_merge_row(int32_t *row, int32_t *spare, size_t width) {
    size_t count = 3 * width;
    int32_t *even = spare, *odd = spare + count;
    for (size_t i = 0; i < count; i++) even[i] = gtci_scaled(row[i], GTCI_INVERSE_K);
    for (size_t i = 0; i < count; i++) odd[i] = gtci_scaled(row[count + i], GTCI_K);
    gtci_lift(even, odd, odd, 3, GTCI_DELTA);
    gtci_lift(even + 3, odd + 3, odd, count - 3, GTCI_DELTA);
    gtci_lift(odd, even, even + 3, count - 3, GTCI_GAMMA);
    gtci_lift(odd + count - 3, even + count - 3, even + count - 3, 3, GTCI_GAMMA);
    gtci_lift(even, odd, odd, 3, GTCI_BETA);
    gtci_lift(even + 3, odd + 3, odd, count - 3, GTCI_BETA);
    gtci_lift(odd, even, even + 3, count - 3, GTCI_ALPHA);
    gtci_lift(odd + count - 3, even + count - 3, even + count - 3, 3, GTCI_ALPHA);
    for (size_t i = 0; i < width; i++) {
        for (int plane = 0; plane < 3; plane++) {
            row[6 * i + plane] = gtci_clip(even[3 * i + plane], -GTCI_LIMIT, GTCI_LIMIT);
            row[6 * i + 3 + plane] = gtci_clip(odd[3 * i + plane], -GTCI_LIMIT, GTCI_LIMIT);
        }
    }
}

/* Rows 2n and 2n + 1 of `out`, not lifted yet: low half from LL and LH, high half from HL and HH. */
static void gtci_load_rows(int32_t *even, int32_t *odd, const int32_t *low_low, const int32_t *values,
                           size_t width) {
    size_t half = 3 * width;
    for (size_t i = 0; i < width; i++, values += GTC_BANDS) {
        for (int plane = 0; plane < 3; plane++) {
            even[3 * i + plane] = gtci_scaled(low_low[3 * i + plane], GTCI_INVERSE_K);
            odd[3 * i + plane] = gtci_scaled(16 * values[plane], GTCI_K);
            even[half + 3 * i + plane] = gtci_scaled(16 * values[3 + plane], GTCI_INVERSE_K);
            odd[half + 3 * i + plane] = gtci_scaled(16 * values[6 + plane], GTCI_K);
        }
    }
}

/* Low band (height, width, 3) in 1/64 step and values (height, width, 9) in 1/4 step -> picture
(2 height, 2 width, 3). All steps of the lifting follow each other closely, while rows are in the cache. */
static void gtci_merge(int32_t *out, const int32_t *low_low, const int32_t *values, size_t height,
                       size_t width, int32_t *spare) {
    size_t count = 6 * width;
#define GTCI_EVEN(n) (out + 2 * (n) * count)
#define GTCI_ODD(n) (out + (2 * (n) + 1) * count)
    for (size_t n = 0; n < height + 2; n++) {
        if (n < height) {
            gtci_load_rows(GTCI_EVEN(n), GTCI_ODD(n), low_low + 3 * n * width, values + GTC_BANDS * n * width,
                           width);
            gtci_lift(GTCI_EVEN(n), GTCI_ODD(n), GTCI_ODD(n ? n - 1 : 0), count, GTCI_DELTA);
        }
        if (n >= 1 && n <= height) {
            size_t m = n - 1, below = n < height ? n : m;
            gtci_lift(GTCI_ODD(m), GTCI_EVEN(m), GTCI_EVEN(below), count, GTCI_GAMMA);
            gtci_lift(GTCI_EVEN(m), GTCI_ODD(m), GTCI_ODD(m ? m - 1 : 0), count, GTCI_BETA);
        }
        if (n >= 2) {
            size_t k = n - 2, below = n <= height ? k + 1 : k;
            gtci_lift(GTCI_ODD(k), GTCI_EVEN(k), GTCI_EVEN(below), count, GTCI_ALPHA);
        }
        /* Row 2n - 4 is still read for ODD(n - 2), so rows are merged only now. */
        if (n >= 2) {
            gtci_merge_row(GTCI_EVEN(n - 2), spare, width);
            gtci_merge_row(GTCI_ODD(n - 2), spare, width);
        }
    }
#undef GTCI_EVEN
#undef GTCI_ODD
}


/* ---- The state of a scan ---- */

/* A layer made ready: weights (side, outputs4, 8 blocks), the inputs of one kernel row side by side. */
typedef struct gtci_layer {
    const int16_t *weights;
    const int32_t *start; /* what accumulators begin with: bias and rounding half */
    size_t inputs, outputs4, blocks;
} gtci_layer;

typedef struct gtci_scan {
    const gtc_codec *codec;
    uint32_t code;
    uint32_t padded_height, padded_width; /* of the whole picture */
    int lowest;                           /* the last level to be decoded, or `levels` for none */
    uint8_t bands[2][2][GTC_BANDS];       /* bands of a pass at positions of even or odd row + column */
    int band_count[2][2];

    int level; /* the one in work, and height and width of its bands */
    size_t height, width;
    gtci_layer layers[GTCI_LAYERS];

    int32_t *pictures[2], *values[2]; /* by parity of the level: the one in work and the one before */
    uint8_t *scales, *features;
    int16_t *contexts, *hidden; /* three rows each, with a position of zeros on both sides */
    int16_t *zeros;             /* such a row outside the picture */
    int16_t *row;               /* inputs of a 1x1 layer */
    int32_t *sums, *head, *spare;
    int16_t *weights;
    int32_t *starts;

    uint32_t section;
    const uint8_t *payload; /* of the section after this one */
    const uint32_t *section_bytes;
    gtci_decoder decoder;

    int encoding;
    gtci_encoder encoder;
    uint32_t lengths[GTC_SECTIONS];
    float *coarsest, *details[GTC_MAX_LEVELS]; /* wavelet coefficients, pixels in [0, 1] */
    float *costs;                              /* (rows, 31): what symbols -15..15 cost */
    float *factors[GTC_MAX_LEVELS];            /* of costs, for each place of a level; NULL is 1 for all */
    float per_step;
} gtci_scan;

/* Hands out parts of the workspace; with `base` NULL it only counts. */
typedef struct gtci_arena {
    uint8_t *base;
    uint64_t used;
} gtci_arena;

static void *gtci_reserve(gtci_arena *arena, uint64_t count, uint64_t item_bytes) {
    uint64_t start = arena->used;
    arena->used += (count * item_bytes + 15) & ~(uint64_t)15;
    return arena->base ? arena->base + (size_t)start : NULL;
}

static uint32_t gtci_padded(uint32_t side, int levels) {
    uint32_t unit = (uint32_t)1 << levels;
    return (side + unit - 1) / unit * unit;
}

static size_t gtci_round4(int x) { return ((size_t)x + 3) & ~(size_t)3; }

static uint64_t gtci_layer_bytes16(gtci_shape shape) {
    return (uint64_t)shape.side * gtci_round4(shape.outputs) *
           (((uint64_t)(shape.side * shape.inputs) + 7) & ~(uint64_t)7);
}

static uint64_t gtci_network_bytes16(int features) {
    uint64_t total = 0;
    for (int layer = 0; layer < GTCI_LAYERS; layer++)
        total += gtci_layer_bytes16(gtci_layer_shape(layer, features));
    return total;
}

static void gtci_arrange_encoder(gtci_scan *scan, gtci_arena *arena) {
    const gtc_codec *codec = scan->codec;
    uint64_t area = (uint64_t)scan->padded_height * scan->padded_width;
    for (int level = 0; level < codec->levels; level++) {
        area /= 4;
        scan->details[level] = (float *)gtci_reserve(arena, GTC_BANDS * area, sizeof(float));
    }
    scan->coarsest = (float *)gtci_reserve(arena, 3 * area, sizeof(float));
    scan->costs = (float *)gtci_reserve(arena, GTC_TABLE_ROWS * 31, sizeof(float));
}

/* Lays all arrays out in the workspace. */
static void gtci_arrange(gtci_scan *scan, gtci_arena *arena) {
    const gtc_codec *codec = scan->codec;
    uint64_t area = ((uint64_t)scan->padded_height >> scan->lowest) * (scan->padded_width >> scan->lowest);
    uint64_t width = (scan->padded_width >> scan->lowest) / 2, most = GTCI_CONTEXT, features = 0, weights = 0,
             here = area;
    int parity = scan->lowest & 1;
    scan->pictures[parity] = (int32_t *)gtci_reserve(arena, 3 * area, 4);
    if (scan->lowest == codec->levels) return;
    for (int level = scan->lowest; level < codec->levels; level++) {
        uint64_t count = (uint64_t)codec->features[level],
                 of_network = gtci_network_bytes16(codec->features[level]);
        here /= 4;
        if (count > most) most = count;
        if (count * here > features) features = count * here;
        if (of_network > weights) weights = of_network;
    }
    scan->pictures[!parity] = (int32_t *)gtci_reserve(arena, 3 * area / 4, 4);
    scan->values[parity] = (int32_t *)gtci_reserve(arena, GTC_BANDS * area / 4, 4);
    scan->values[!parity] = (int32_t *)gtci_reserve(arena, GTC_BANDS * area / 16, 4);
    scan->scales = (uint8_t *)gtci_reserve(arena, GTC_BANDS * area / 4, 1);
    scan->features = (uint8_t *)gtci_reserve(arena, features, 1);
    /* 8 more than fits: layers read whole blocks of 8 inputs, the last against weights 0. */
    scan->contexts = (int16_t *)gtci_reserve(arena, 3 * (width + 2) * GTCI_CONTEXT + 8, 2);
    scan->hidden = (int16_t *)gtci_reserve(arena, 3 * (width + 2) * most + 8, 2);
    scan->zeros = (int16_t *)gtci_reserve(arena, (width + 2) * most + 8, 2);
    scan->row = (int16_t *)gtci_reserve(arena, width * most + 8, 2);
    scan->sums = (int32_t *)gtci_reserve(arena, width * gtci_round4((int)most), 4);
    scan->head = (int32_t *)gtci_reserve(arena, width * GTCI_HEAD_SUMS, 4);
    scan->spare = (int32_t *)gtci_reserve(arena, 6 * width, 4);
    scan->weights = (int16_t *)gtci_reserve(arena, weights, 2);
    scan->starts = (int32_t *)gtci_reserve(arena, GTCI_LAYERS * 256, 4);
    if (scan->encoding) gtci_arrange_encoder(scan, arena);
}

static void gtci_describe(gtci_scan *scan, const gtc_codec *codec, uint32_t width, uint32_t height,
                          int lowest, int encoding) {
    memset(scan, 0, sizeof *scan);
    scan->codec = codec;
    scan->padded_height = gtci_padded(height, codec->levels);
    scan->padded_width = gtci_padded(width, codec->levels);
    scan->lowest = lowest;
    scan->encoding = encoding;
}

static size_t gtci_workspace_bytes(const gtc_codec *codec, uint32_t width, uint32_t height, int lowest,
                                   int encoding) {
    gtci_scan scan;
    gtci_arena arena = {NULL, 0};
    if (lowest < 0 || lowest > codec->levels || gtci_check_size(width, height)) return 0;
    gtci_describe(&scan, codec, width, height, lowest, encoding);
    gtci_arrange(&scan, &arena);
    return arena.used + 15 > (size_t)-1 / 2 ? 0 : (size_t)arena.used + 15;
}

/* Aligns the workspace and points all arrays into it. */
static gtc_status gtci_occupy(gtci_scan *scan, uint32_t width, uint32_t height, void *workspace,
                              size_t workspace_bytes) {
    size_t needed = gtci_workspace_bytes(scan->codec, width, height, scan->lowest, scan->encoding);
    gtci_arena arena = {(uint8_t *)workspace, 0};
    if (!needed || !workspace || workspace_bytes < needed) return GTC_WORKSPACE_TOO_SMALL;
    arena.base += (16 - ((uintptr_t)workspace & 15)) & 15;
    gtci_arrange(scan, &arena);
    return GTC_OK;
}

size_t gtc_decode_workspace_bytes(const gtc_codec *codec, const gtc_header *header, int scale) {
    return gtci_workspace_bytes(codec, header->width, header->height, gtci_level_of_scale(scale), 0);
}

size_t gtc_encode_workspace_bytes(const gtc_codec *codec, uint32_t width, uint32_t height) {
    return gtci_workspace_bytes(codec, width, height, 0, 1);
}


/* ---- Context networks ---- */

/* sums[p][o] += the inner product of input window p and weights o. Windows are 8 * blocks long and begin
`inputs` apart. Written so that compilers vectorise the loop over k: products of 16-bit numbers are added in
32 bits. */
static void gtci_accumulate(int32_t *sums, size_t positions, const int16_t *window, const gtci_layer *layer,
                            const int16_t *weights) {
    size_t blocks = layer->blocks, length = 8 * blocks, outputs = layer->outputs4;
    for (size_t p = 0; p < positions; p++, window += layer->inputs, sums += outputs) {
        for (size_t o = 0; o < outputs; o += 4) {
            const int16_t *w0 = weights + o * length, *w1 = w0 + length, *w2 = w1 + length, *w3 = w2 + length;
            int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
            for (size_t k = 0; k < 8 * blocks; k++) {
                s0 += window[k] * w0[k];
                s1 += window[k] * w1[k];
                s2 += window[k] * w2[k];
                s3 += window[k] * w3[k];
            }
            sums[o] += s0;
            sums[o + 1] += s1;
            sums[o + 2] += s2;
            sums[o + 3] += s3;
        }
    }
}

static void gtci_start_sums(int32_t *sums, size_t positions, const gtci_layer *layer) {
    for (size_t p = 0; p < positions; p++)
        memcpy(sums + p * layer->outputs4, layer->start, layer->outputs4 * sizeof *sums);
}

/* 3x3: rows above, here and below, each with a position of zeros on both sides. */
static void gtci_convolve(int32_t *sums, size_t positions, const int16_t *const rows[3],
                          const gtci_layer *layer) {
    gtci_start_sums(sums, positions, layer);
    for (int i = 0; i < 3; i++) {
        gtci_accumulate(sums, positions, rows[i], layer,
                        layer->weights + (size_t)i * layer->outputs4 * 8 * layer->blocks);
    }
}

/* Unpacks one layer; returns where the next one's weights go. */
static int16_t *gtci_prepare_layer(gtci_layer *layer, gtci_shape shape, const uint8_t *kernel,
                                   int16_t *weights) {
    size_t taps = (size_t)(shape.side * shape.inputs), outputs = (size_t)shape.outputs, i = 0;
    layer->weights = weights;
    layer->inputs = (size_t)shape.inputs;
    layer->outputs4 = gtci_round4(shape.outputs);
    layer->blocks = (taps + 7) / 8;
    for (size_t row = 0; row < (size_t)shape.side; row++) {
        for (size_t output = 0; output < layer->outputs4; output++) {
            for (size_t tap = 0; tap < 8 * layer->blocks; tap++, i++) {
                int byte = output < outputs && tap < taps ? kernel[(row * taps + tap) * outputs + output] : 0;
                weights[i] = (int16_t)(byte < 128 ? byte : byte - 256);
            }
        }
    }
    return weights + i;
}

/* What rounding adds: half of 2^shift, and in heads the offset 20 of scale indexes. */
static int32_t gtci_rounding(int is_head, int output) {
    if (!is_head) return 1 << 6;
    return output < GTC_BANDS ? 1 << 10 : (1 << 8) + (20 << 9);
}

static void gtci_prepare_network(gtci_scan *scan) {
    int features = scan->codec->features[scan->level];
    const uint8_t *kernel = scan->codec->kernels[scan->level], *bias = scan->codec->biases[scan->level];
    int16_t *weights = scan->weights;
    for (int i = 0; i < GTCI_LAYERS; i++) {
        gtci_shape shape = gtci_layer_shape(i, features);
        int32_t *start = scan->starts + 256 * i;
        memset(start, 0, 256 * sizeof *start);
        weights = gtci_prepare_layer(&scan->layers[i], shape, kernel, weights);
        kernel += gtci_weights(shape);
        scan->layers[i].start = start;
        if (i == GTCI_MIX) continue; /* added to the sums of `known` */
        for (int output = 0; output < shape.outputs; output++, bias += 4) {
            int is_head = i == GTCI_FIRST_HEAD || i == GTCI_SECOND_HEAD;
            start[output] = gtci_signed32(gtci_le32(bias)) + gtci_rounding(is_head, output);
        }
    }
}

/* Rows above, at and below `y` of three kept rows, zeros outside the picture. */
static void gtci_three_rows(const gtci_scan *scan, const int16_t *kept, size_t inputs, size_t y,
                            const int16_t *rows[3]) {
    size_t stride = (scan->width + 2) * inputs;
    rows[0] = y ? kept + (y - 1) % 3 * stride : scan->zeros;
    rows[1] = kept + y % 3 * stride;
    rows[2] = y + 1 < scan->height ? kept + (y + 1) % 3 * stride : scan->zeros;
}

/* First position of a kept row. */
static int16_t *gtci_kept_row(const gtci_scan *scan, int16_t *kept, size_t inputs, size_t y) {
    return kept + (y % 3 * (scan->width + 2) + 1) * inputs;
}

static void gtci_hidden_row(gtci_scan *scan, size_t y) {
    const gtci_layer *layer = &scan->layers[GTCI_TRUNK_IN];
    size_t features = scan->layers[GTCI_TRUNK].inputs;
    int16_t *out = gtci_kept_row(scan, scan->hidden, features, y);
    const int16_t *rows[3];
    gtci_three_rows(scan, scan->contexts, GTCI_CONTEXT, y, rows);
    gtci_convolve(scan->sums, scan->width, rows, layer);
    for (size_t x = 0; x < scan->width; x++) {
        const int32_t *sums = scan->sums + x * layer->outputs4;
        for (size_t f = 0; f < features; f++)
            out[x * features + f] = (int16_t)gtci_clip(sums[f] >> 7, 0, 255);
    }
}

/* Features of a row, kept for the second pass, and the first head's sums. */
static void gtci_features_row(gtci_scan *scan, size_t y) {
    const gtci_layer *layer = &scan->layers[GTCI_TRUNK];
    size_t features = layer->inputs;
    const int16_t *hidden = gtci_kept_row(scan, scan->hidden, features, y), *rows[3];
    uint8_t *kept = scan->features + y * scan->width * features;
    gtci_three_rows(scan, scan->hidden, features, y, rows);
    gtci_convolve(scan->sums, scan->width, rows, layer);
    for (size_t x = 0; x < scan->width; x++) {
        const int32_t *sums = scan->sums + x * layer->outputs4;
        for (size_t f = 0; f < features; f++) {
            int32_t sum = hidden[x * features + f] + gtci_clip(sums[f] >> 7, -255, 255);
            scan->row[x * features + f] = (int16_t)gtci_clip(sum, 0, 255);
            kept[x * features + f] = (uint8_t)scan->row[x * features + f];
        }
    }
    gtci_start_sums(scan->head, scan->width, &scan->layers[GTCI_FIRST_HEAD]);
    gtci_accumulate(scan->head, scan->width, scan->row, &scan->layers[GTCI_FIRST_HEAD],
                    scan->layers[GTCI_FIRST_HEAD].weights);
}

/* The second head's sums of a row. */
static void gtci_second_row(gtci_scan *scan, size_t y) {
    const gtci_layer *known = &scan->layers[GTCI_KNOWN_LAYER], *mix = &scan->layers[GTCI_MIX];
    size_t features = mix->inputs, count = scan->width * features;
    const uint8_t *kept = scan->features + y * count;
    const int16_t *rows[3];
    for (size_t i = 0; i < count; i++) scan->row[i] = kept[i];
    gtci_three_rows(scan, scan->contexts, GTCI_KNOWN, y, rows);
    gtci_convolve(scan->sums, scan->width, rows, known);
    gtci_accumulate(scan->sums, scan->width, scan->row, mix, mix->weights);
    for (size_t x = 0; x < scan->width; x++) {
        const int32_t *sums = scan->sums + x * known->outputs4;
        for (size_t f = 0; f < features; f++)
            scan->row[x * features + f] = (int16_t)gtci_clip(sums[f] >> 7, 0, 255);
    }
    gtci_start_sums(scan->head, scan->width, &scan->layers[GTCI_SECOND_HEAD]);
    gtci_accumulate(scan->head, scan->width, scan->row, &scan->layers[GTCI_SECOND_HEAD],
                    scan->layers[GTCI_SECOND_HEAD].weights);
}


/* ---- Contexts ---- */

/* Channels 9..11: the coarser picture minus its blur. */
static void gtci_relief_row(gtci_scan *scan, const int32_t *picture, size_t y, int16_t *out) {
    size_t count = 3 * scan->width;
    const int32_t *here = picture + y * count;
    const int32_t *above = y ? here - count : here, *below = y + 1 < scan->height ? here + count : here;
    int32_t *column = scan->spare;
    for (size_t i = 0; i < count; i++) column[i] = above[i] + 2 * here[i] + below[i];
    for (size_t x = 0; x < scan->width; x++, out += GTCI_CONTEXT) {
        for (size_t plane = 0; plane < 3; plane++) {
            size_t i = 3 * x + plane, left = x ? i - 3 : i, right = x + 1 < scan->width ? i + 3 : i;
            int32_t sharp = 16 * here[i] - (column[left] + 2 * column[i] + column[right]);
            out[9 + plane] = gtci_compress(scan->codec->compress, (sharp + 32) >> 6);
        }
    }
}

static void gtci_context_row(gtci_scan *scan, const int32_t *picture, const int32_t *parents, size_t y) {
    int16_t *out = gtci_kept_row(scan, scan->contexts, GTCI_CONTEXT, y), *at = out;
    const int32_t *luma = picture + 3 * y * scan->width;
    int64_t scale = (int64_t)gtci_octave[scan->code & 255] << (scan->code >> 8);
    int shift = 22 + scan->level;
    for (size_t x = 0; x < scan->width; x++, at += GTCI_CONTEXT) {
        if (x & 1) {
            memcpy(at, at - GTCI_CONTEXT, GTC_BANDS * sizeof *at);
        } else if (parents) {
            const int32_t *parent = parents + (y / 2 * (scan->width / 2) + x / 2) * GTC_BANDS;
            for (int band = 0; band < GTC_BANDS; band++)
                at[band] = gtci_compress(scan->codec->compress, 4 * parent[band]);
        } else {
            memset(at, 0, GTC_BANDS * sizeof *at);
        }
        int64_t level = (luma[3 * x] * scale + ((int64_t)1 << (shift - 1))) >> shift;
        at[12] = (int16_t)(level < -127 ? -127 : level > 127 ? 127 : level);
        at[13] = (int16_t)(scan->code >> 4);
    }
    gtci_relief_row(scan, picture, y, out);
}

static void gtci_known_row(gtci_scan *scan, const int32_t *values, size_t y) {
    int16_t *out = gtci_kept_row(scan, scan->contexts, GTCI_KNOWN, y);
    values += y * scan->width * GTC_BANDS;
    for (size_t x = 0; x < scan->width; x++, out += GTCI_KNOWN, values += GTC_BANDS) {
        int odd = (int)((x + y) & 1);
        memset(out, 0, GTCI_KNOWN * sizeof *out);
        for (int i = 0; i < scan->band_count[0][odd]; i++) {
            int band = scan->bands[0][odd][i];
            out[band] = gtci_compress(scan->codec->compress, 4 * values[band]);
        }
        out[GTC_BANDS] = odd ? 64 : 0;
    }
}


/* ---- Rate-distortion optimised quantiser ---- */

#define GTCI_RATE_WEIGHT 0.11f /* distortion in steps squared that one bit is worth */
#define GTCI_REACH 15          /* larger magnitudes are rounded: there, neighbours cost about the same */

static float gtci_bits(const gtc_row *row, int32_t symbol) {
    int32_t index = symbol - row->offset, inside = row->escape < 0 ? row->count : row->escape;
    int32_t coded = index < 0 || index >= inside ? row->escape : index;
    if (coded < 0) return 1e9f;
    float bits = (float)row->precision - log2f((float)(gtci_cdf(row, coded + 1) - gtci_cdf(row, coded)));
    if (coded == row->escape)
        bits += 2 * (float)gtci_digits((uint32_t)(index < 0 ? -index : index - row->escape + 1));
    return bits;
}

static void gtci_fill_costs(gtci_scan *scan) {
    float *cost = scan->costs;
    for (int i = 0; i < GTC_TABLE_ROWS; i++) {
        for (int32_t symbol = -GTCI_REACH; symbol <= GTCI_REACH; symbol++) {
            *cost++ = GTCI_RATE_WEIGHT * gtci_bits(&scan->codec->rows[i], symbol);
        }
    }
}

static int32_t gtci_round(float x) {
    float limit = (float)GTCI_MAX_SYMBOL;
    x = x < -limit ? -limit : x > limit ? limit : x;
    return x < 0 ? -(int32_t)(0.5f - x) : (int32_t)(x + 0.5f);
}

/* The nearest integer, its neighbour towards zero or zero, whichever is worth its bits. */
static int32_t gtci_quantise(const gtci_scan *scan, float residual, int32_t row, float factor) {
    const float *costs = scan->costs + row * (2 * GTCI_REACH + 1) + GTCI_REACH;
    int32_t nearest = gtci_round(residual), chosen = nearest;
    if (!nearest || nearest > GTCI_REACH || nearest < -GTCI_REACH) return nearest;
    int32_t candidates[2] = {nearest > 0 ? nearest - 1 : nearest + 1, 0};
    float best = (residual - (float)nearest) * (residual - (float)nearest) + factor * costs[nearest];
    for (int i = 0; i < 2; i++) {
        float distance = residual - (float)candidates[i],
              cost = distance * distance + factor * costs[candidates[i]];
        if (cost < best) {
            best = cost;
            chosen = candidates[i];
        }
    }
    return chosen;
}


/* ---- Scan ---- */

static gtc_status gtci_source_status(const gtci_scan *scan) {
    if (scan->encoding) return scan->encoder.full ? GTC_OUTPUT_TOO_SMALL : GTC_OK;
    return scan->decoder.corrupt ? GTC_BAD_ESCAPE : GTC_OK;
}

static void gtci_next_section(gtci_scan *scan) {
    scan->section++;
    if (!scan->encoding) {
        uint32_t bytes = scan->section_bytes[scan->section];
        gtci_start_decoder(&scan->decoder, scan->payload, bytes);
        scan->payload += bytes;
    } else {
        uint8_t *end = scan->encoder.end;
        gtci_finish_encoder(&scan->encoder);
        scan->lengths[scan->section - 1] = (uint32_t)(scan->encoder.next - scan->encoder.start);
        int full = scan->encoder.full;
        gtci_start_encoder(&scan->encoder, scan->encoder.next, end);
        scan->encoder.full = full;
    }
}

static int32_t gtci_code_symbol(gtci_scan *scan, int32_t row, int32_t mean, size_t at) {
    if (!scan->encoding) return gtci_decode_symbol(&scan->decoder, &scan->codec->rows[row]);
    const float *factors = scan->factors[scan->level];
    float residual = scan->details[scan->level][at] * scan->per_step - (float)mean * 0.25f;
    int32_t symbol = gtci_quantise(scan, residual, row, factors ? factors[at / GTC_BANDS] : 1);
    return gtci_encode_symbol(&scan->encoder, &scan->codec->rows[row], symbol);
}

/* The symbols of a pass in row `y`, whose sums are in `head`. */
static gtc_status gtci_code_row(gtci_scan *scan, int32_t *values, int pass, size_t y) {
    const int32_t *sums = scan->head;
    size_t at = y * scan->width * GTC_BANDS;
    for (size_t x = 0; x < scan->width; x++, sums += GTCI_HEAD_SUMS, at += GTC_BANDS) {
        const uint8_t *bands = scan->bands[pass][(x + y) & 1];
        int count = scan->band_count[pass][(x + y) & 1];
        for (int i = 0; i < count; i++) {
            int band = bands[i];
            int32_t mean = gtci_clip(sums[band] >> 11, -127, 127);
            int32_t row = gtci_clip(sums[GTC_BANDS + band] >> 9, 0, GTCI_SCALES - 1);
            int32_t symbol = row ? gtci_code_symbol(scan, row, mean, at + (size_t)band) : 0;
            values[at + (size_t)band] = 4 * symbol + mean;
            scan->scales[at + (size_t)band] = (uint8_t)row;
        }
    }
    return gtci_source_status(scan);
}

/* Rows follow each other at the distance that 3x3 windows ask for, so that only three of each are kept. */
static gtc_status gtci_first_pass(gtci_scan *scan, const int32_t *picture, const int32_t *parents,
                                  int32_t *values) {
    for (size_t t = 0; t < scan->height + 2; t++) {
        GTC_STAGE(GTC_STAGE_CONTEXT);
        if (t < scan->height) gtci_context_row(scan, picture, parents, t);
        GTC_STAGE(GTC_STAGE_NETWORK);
        if (t >= 1 && t <= scan->height) gtci_hidden_row(scan, t - 1);
        if (t < 2) continue;
        gtci_features_row(scan, t - 2);
        GTC_STAGE(GTC_STAGE_CODING);
        gtc_status status = gtci_code_row(scan, values, 0, t - 2);
        if (status) return status;
    }
    return GTC_OK;
}

static gtc_status gtci_second_pass(gtci_scan *scan, int32_t *values) {
    for (size_t t = 0; t < scan->height + 1; t++) {
        GTC_STAGE(GTC_STAGE_CONTEXT);
        if (t < scan->height) gtci_known_row(scan, values, t);
        if (t < 1) continue;
        GTC_STAGE(GTC_STAGE_NETWORK);
        gtci_second_row(scan, t - 1);
        GTC_STAGE(GTC_STAGE_CODING);
        gtc_status status = gtci_code_row(scan, values, 1, t - 1);
        if (status) return status;
    }
    return GTC_OK;
}

/* Zeros around kept rows, and in what layers read past their end. */
static void gtci_clear_rows(gtci_scan *scan) {
    size_t features = (size_t)scan->codec->features[scan->level],
           most = features > GTCI_CONTEXT ? features : GTCI_CONTEXT;
    memset(scan->contexts, 0, (3 * (scan->width + 2) * GTCI_CONTEXT + 8) * sizeof(int16_t));
    memset(scan->hidden, 0, (3 * (scan->width + 2) * features + 8) * sizeof(int16_t));
    memset(scan->zeros, 0, ((scan->width + 2) * most + 8) * sizeof(int16_t));
    memset(scan->row, 0, (scan->width * features + 8) * sizeof(int16_t));
}

static gtc_status gtci_scan_level(gtci_scan *scan, int level) {
    int parity = level & 1;
    const int32_t *picture = scan->pictures[!parity];
    const int32_t *parents = level + 1 < scan->codec->levels ? scan->values[!parity] : NULL;
    scan->level = level;
    scan->height = scan->padded_height >> (level + 1);
    scan->width = scan->padded_width >> (level + 1);
    while (scan->section < gtci_section_of(level)) gtci_next_section(scan);
    gtci_prepare_network(scan);
    gtci_clear_rows(scan);
    gtc_status status = gtci_first_pass(scan, picture, parents, scan->values[parity]);
    /* The second pass keeps narrower rows, whose zeros are elsewhere. */
    memset(scan->contexts, 0, (3 * (scan->width + 2) * GTCI_CONTEXT + 8) * sizeof(int16_t));
    if (!status) status = gtci_second_pass(scan, scan->values[parity]);
    if (status) return status;
    GTC_STAGE(GTC_STAGE_MERGE);
    gtci_merge(scan->pictures[parity], picture, scan->values[parity], scan->height, scan->width, scan->spare);
    GTC_STAGE(GTC_STAGE_OTHER);
    return GTC_OK;
}

static gtc_status gtci_scan_coarsest(gtci_scan *scan) {
    int levels = scan->codec->levels, octave = gtci_coarsest_octave(scan->code);
    const gtc_row *rows = scan->codec->rows + gtci_coarsest_row(scan->code);
    int64_t scale = gtci_coarsest_scale(scan->code);
    float per_step = (float)(127.5 / (1 << octave));
    size_t count = 3 * (size_t)(scan->padded_height >> levels) * (scan->padded_width >> levels);
    int32_t *picture = scan->pictures[levels & 1];
    for (size_t i = 0; i < count; i++) {
        const gtc_row *row = rows + i % 3;
        int32_t symbol =
            scan->encoding ? gtci_encode_symbol(&scan->encoder, row, gtci_round(scan->coarsest[i] * per_step))
                           : gtci_decode_symbol(&scan->decoder, row);
        picture[i] = (int32_t)((symbol * scale + 65536) >> 17);
    }
    return gtci_source_status(scan);
}

static void gtci_sort_bands(gtci_scan *scan) {
    for (int pass = 0; pass < 2; pass++) {
        for (int odd = 0; odd < 2; odd++) {
            int count = 0;
            for (int band = 0; band < GTC_BANDS; band++) {
                int first = odd ^ scan->codec->phase[band];
                if (first != pass) scan->bands[pass][odd][count++] = (uint8_t)band;
            }
            scan->band_count[pass][odd] = count;
        }
    }
}

static void gtci_report(const gtci_scan *scan, int level, gtc_on_step *on_step, void *user) {
    int has_values = level < scan->codec->levels;
    gtc_step step = {level,
                     scan->padded_height >> level,
                     scan->padded_width >> level,
                     scan->pictures[level & 1],
                     has_values ? scan->values[level & 1] : NULL,
                     has_values ? scan->scales : NULL};
    if (on_step) on_step(&step, user);
}

static gtc_status gtci_run(gtci_scan *scan, gtc_on_step *on_step, void *user) {
    gtci_sort_bands(scan);
    gtc_status status = gtci_scan_coarsest(scan);
    for (int level = scan->codec->levels; !status; level--) {
        gtci_report(scan, level, on_step, user);
        if (level == scan->lowest) break;
        status = gtci_scan_level(scan, level - 1);
    }
    return status;
}


/* ---- Decoder ---- */

/* log2(x) in 1/256, rounded up, for 1 <= x <= 2^16. */
static uint32_t gtci_log2_ceiling(uint32_t x) {
    uint32_t whole = (uint32_t)gtci_digits(x) - 1, fraction = 0;
    uint64_t mantissa = (uint64_t)x << (30 - whole); /* 2^30 .. 2^31 */
    for (int bit = 0; bit < 8; bit++) {
        mantissa = mantissa * mantissa >> 30;
        fraction <<= 1;
        if (mantissa >= (uint64_t)1 << 31) {
            fraction |= 1;
            mantissa >>= 1;
        }
    }
    return 256 * whole + fraction + 1;
}

/* Bytes of the first section below which no picture can have been coded: symbols of the coarsest band take
the bits of their rows' likeliest or more; half of that allows for rounding, 64 bytes for the end. */
static int64_t gtci_least_bytes(const gtci_scan *scan) {
    const gtc_row *rows = scan->codec->rows + gtci_coarsest_row(scan->code);
    int levels = scan->codec->levels;
    int64_t bits = 0, positions = (int64_t)(scan->padded_height >> levels) * (scan->padded_width >> levels);
    for (int plane = 0; plane < 3; plane++) {
        uint32_t widest = rows[plane].likely_high - rows[plane].likely_low;
        if (rows[plane].escape >= 0) {
            uint32_t escape =
                gtci_cdf(&rows[plane], rows[plane].escape + 1) - gtci_cdf(&rows[plane], rows[plane].escape);
            if (escape > widest) widest = escape;
        }
        int64_t of_plane = 256 * (int64_t)rows[plane].precision - gtci_log2_ceiling(widest);
        if (of_plane > 0) bits += of_plane;
    }
    return positions * bits / (16 * 256) - 64;
}

static gtc_status gtci_decode(const gtc_codec *codec, const gtc_header *header, const uint8_t *data,
                              int lowest, void *workspace, size_t workspace_bytes, gtc_on_step *on_step,
                              void *user, gtc_picture *picture) {
    gtci_scan scan;
    if (memcmp(header->digest, codec->digest, 4) != 0) return GTC_OTHER_TABLES;
    if (header->step_code > GTCI_MAX_STEP_CODE || header->sections != GTC_SECTIONS) return GTC_BAD_FIELD;
    gtci_describe(&scan, codec, header->width, header->height, lowest, 0);
    scan.code = header->step_code;
    if (header->section_bytes[0] < gtci_least_bytes(&scan)) return GTC_TOO_FEW_BYTES;
    gtc_status status = gtci_occupy(&scan, header->width, header->height, workspace, workspace_bytes);
    if (status) return status;
    scan.section_bytes = header->section_bytes;
    gtci_start_decoder(&scan.decoder, data + header->header_bytes, header->section_bytes[0]);
    scan.payload = data + header->header_bytes + header->section_bytes[0];
    status = gtci_run(&scan, on_step, user);
    if (status) return status;
    uint32_t rounding = ((uint32_t)1 << lowest) - 1;
    picture->samples = scan.pictures[lowest & 1];
    picture->padded_height = scan.padded_height >> lowest;
    picture->padded_width = scan.padded_width >> lowest;
    picture->height = (header->height + rounding) >> lowest;
    picture->width = (header->width + rounding) >> lowest;
    picture->unit = gtc_step_size(header->step_code) / (64.0 * (double)(1u << lowest));
    return GTC_OK;
}

gtc_status gtc_decode(const gtc_codec *codec, const void *data, size_t bytes, void *workspace,
                      size_t workspace_bytes, gtc_on_step *on_step, void *user, gtc_picture *picture) {
    gtc_header header;
    gtc_status status = gtc_read_header(data, bytes, &header);
    if (!status) status = gtci_check_stream(&header, (const uint8_t *)data, bytes);
    if (status) return status;
    return gtci_decode(codec, &header, (const uint8_t *)data, 0, workspace, workspace_bytes, on_step, user,
                       picture);
}

gtc_status gtc_preview(const gtc_codec *codec, const void *data, size_t bytes, int scale, void *workspace,
                       size_t workspace_bytes, gtc_picture *picture) {
    gtc_header header;
    int level = gtci_level_of_scale(scale);
    if (level < 0 || level > codec->levels) return GTC_BAD_SCALE;
    gtc_status status = gtc_read_header(data, bytes, &header);
    if (status) return status;
    if (gtci_section_of(level) >= header.sections) return GTC_BAD_FIELD;
    if (bytes < gtc_prefix_bytes(&header, scale)) return GTC_TRUNCATED;
    return gtci_decode(codec, &header, (const uint8_t *)data, level, workspace, workspace_bytes, NULL, NULL,
                       picture);
}


/* ---- Pixels ---- */

/* Columns are luma and two chroma axes; orthonormal. */
static const double gtci_colour[3][3] = {
    {0.57735026918962576, 0.70710678118654752, 0.40824829046386302},
    {0.57735026918962576, 0.0, -0.81649658092772603},
    {0.57735026918962576, -0.70710678118654752, 0.40824829046386302},
};

static void gtci_rgb_matrix(double unit, float matrix[3][3]) {
    for (int i = 0; i < 9; i++) matrix[i / 3][i % 3] = (float)gtci_colour[i / 3][i % 3] * (float)unit;
}

static float gtci_channel(const int32_t *sample, const float *matrix) {
    return (float)sample[0] * matrix[0] + (float)sample[1] * matrix[1] + (float)sample[2] * matrix[2];
}

void gtc_rgb_float(const gtc_picture *picture, float *rgb) {
    size_t pixels = (size_t)picture->padded_height * picture->padded_width;
    float matrix[3][3];
    gtci_rgb_matrix(picture->unit, matrix);
    for (size_t i = 0; i < pixels; i++) {
        for (int channel = 0; channel < 3; channel++)
            *rgb++ = gtci_channel(picture->samples + 3 * i, matrix[channel]);
    }
}

void gtc_rgb8(const gtc_picture *picture, uint8_t *rgb) {
    float matrix[3][3];
    gtci_rgb_matrix(picture->unit, matrix);
    for (size_t y = 0; y < picture->height; y++) {
        const int32_t *sample = picture->samples + 3 * y * picture->padded_width;
        for (size_t x = 0; x < picture->width; x++, sample += 3) {
            for (int channel = 0; channel < 3; channel++) {
                float value = (gtci_channel(sample, matrix[channel]) + 0.5f) * 255 + 0.5f;
                *rgb++ = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
            }
        }
    }
}

void gtc_position_noise(uint32_t height, uint32_t width, uint32_t channels, uint32_t top, uint32_t left,
                        float *noise) {
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            uint32_t place = (top + y) * 0x9E3779B1u + (left + x) * 0x85EBCA77u;
            for (uint32_t c = 0; c < channels; c++) {
                uint32_t h = place + c * 0xC2B2AE3Du;
                h = (h ^ h >> 15) * 0x2C1B3C6Du;
                h = (h ^ h >> 12) * 0x297A2D39u;
                h = (h ^ h >> 15) >> 24;
                *noise++ = ((float)(h < 128 ? (int)h : (int)h - 256) + 0.5f) * (1.0f / 128);
            }
        }
    }
}


/* ---- Encoder ---- */

/* The padded picture as luma and chroma of pixels in [-0.5, 0.5]. */
static void gtci_from_rgb(const uint8_t *rgb, size_t width, size_t height, const gtci_scan *scan,
                          float *out) {
    for (size_t y = 0; y < scan->padded_height; y++) {
        const uint8_t *row = rgb + 3 * width * (y < height ? y : height - 1);
        for (size_t x = 0; x < scan->padded_width; x++, out += 3) {
            const uint8_t *pixel = row + 3 * (x < width ? x : width - 1);
            for (int axis = 0; axis < 3; axis++) {
                out[axis] = 0;
                for (int channel = 0; channel < 3; channel++) {
                    out[axis] += ((float)pixel[channel] / 255 - 0.5f) * (float)gtci_colour[channel][axis];
                }
            }
        }
    }
}

static void gtci_add(float *target, const float *left, const float *right, size_t count, float factor) {
    for (size_t i = 0; i < count; i++) target[i] += factor * (left[i] + right[i]);
}

/* Analysis of lines of `count` floats, of which there are 2 `half`, `stride` apart, even and odd in turn. */
static void gtci_split(float *lines, size_t half, size_t stride, size_t count) {
    static const float factors[4] = {-1.586134342059924f, -0.052980118572961f, 0.882911075530934f,
                                     0.443506852043971f};
    for (int step = 0; step < 4; step++) {
        for (size_t n = 0; n < half; n++) {
            float *even = lines + 2 * n * stride, *odd = even + stride;
            if (step % 2 == 0) gtci_add(odd, even, n + 1 < half ? odd + stride : even, count, factors[step]);
            else gtci_add(even, odd, n ? even - stride : odd, count, factors[step]);
        }
    }
}

/* (2 height, 2 width, 3), overwritten -> low band (height, width, 3) and details (height, width, 9). */
static void gtci_split_level(float *picture, size_t height, size_t width, float *low, float *details) {
    static const float k = 1.149604398f, inverse = (float)(1 / 1.149604398);
    for (size_t y = 0; y < 2 * height; y++) gtci_split(picture + 6 * width * y, width, 3, 3);
    gtci_split(picture, height, 6 * width, 6 * width);
    for (size_t y = 0; y < height; y++) {
        const float *even = picture + 12 * width * y, *odd = even + 6 * width;
        for (size_t x = 0; x < width; x++, even += 6, odd += 6) {
            for (int plane = 0; plane < 3; plane++, low++, details++) {
                *low = even[plane] * k * k;
                details[0] = odd[plane] * k * inverse;
                details[3] = even[3 + plane] * inverse * k;
                details[6] = odd[3 + plane] * inverse * inverse;
            }
            details += 6;
        }
    }
}

/* Pictures of the scan are not in use yet and serve as buffers. */
static void gtci_analyse(gtci_scan *scan, const uint8_t *rgb, size_t width, size_t height) {
    float *picture = (float *)(void *)scan->pictures[0];
    gtci_from_rgb(rgb, width, height, scan, picture);
    for (int level = 0; level < scan->codec->levels; level++) {
        int last = level + 1 == scan->codec->levels;
        float *low = last ? scan->coarsest : (float *)(void *)scan->pictures[(level + 1) & 1];
        gtci_split_level(picture, scan->padded_height >> (level + 1), scan->padded_width >> (level + 1), low,
                         scan->details[level]);
        picture = low;
    }
}

#define GTCI_FLAT 29.0f       /* C2 / 2 of structural similarity: (0.03 * 255)^2 / 2 */
#define GTCI_MIDDLE 500.0f    /* variance at which the factor is 1 */
#define GTCI_COARSER 0.5f     /* share of the variance at the next coarser scale */
#define GTCI_MIN_FACTOR 0.05f /* in smooth places */
#define GTCI_MAX_FACTOR 3.0f  /* in busy ones */

/* Means of each of `groups` groups of `length` floats and its two neighbours, the outer ones repeated. */
static void gtci_blur(float *out, const float *in, size_t groups, size_t length) {
    for (size_t n = 0; n < groups; n++, out += length, in += length) {
        const float *before = n ? in - length : in, *after = n + 1 < groups ? in + length : in;
        for (size_t i = 0; i < length; i++) out[i] = (in[i] + before[i] + after[i]) * (1.0f / 3);
    }
}

/* Variances of grey levels 0..255 at the scale of a level, (height, width), into its factors: means of 3x3
places, and a share of those `above`, at the next coarser scale. `spare` has as much room. */
static void gtci_variances(const gtci_scan *scan, int level, const float *above, float *spare) {
    size_t height = scan->padded_height >> (level + 1), width = scan->padded_width >> (level + 1);
    float *variances = scan->factors[level], scale = 65025.0f / (float)(12 << 2 * level);
    const float *bands = scan->details[level]; /* luma is orthonormal: grey has a third of its energy */
    for (size_t i = 0; i < height * width; i++, bands += GTC_BANDS)
        variances[i] = bands[0] * bands[0] + bands[3] * bands[3] + bands[6] * bands[6];
    gtci_blur(spare, variances, height, width);
    for (size_t y = 0; y < height; y++) {
        float *row = variances + y * width;
        gtci_blur(row, spare + y * width, width, 1);
        for (size_t x = 0; x < width; x++) {
            row[x] *= scale;
            if (above) row[x] += GTCI_COARSER * above[y / 2 * (width / 2) + x / 2];
        }
    }
}

/* How much more than usual bits weigh at each place of each level. Until the last merge, pictures of the
scan take a sixteenth of the room for the finest, and factors the rest. */
static void gtci_fill_factors(gtci_scan *scan) {
    size_t area = (size_t)scan->padded_height * scan->padded_width;
    int levels = scan->codec->levels;
    float *end = (float *)(void *)(scan->pictures[0] + 3 * area / 16), *factor = end;
    for (int level = 0; level < levels; level++) {
        scan->factors[level] = end;
        end += area >> (2 * level + 2);
    }
    for (int level = levels - 1; level >= 0; level--)
        gtci_variances(scan, level, level + 1 < levels ? scan->factors[level + 1] : NULL, end);
    for (; factor < end; factor++) {
        float x = (*factor + GTCI_FLAT) / GTCI_MIDDLE;
        *factor = x < GTCI_MIN_FACTOR ? GTCI_MIN_FACTOR : x > GTCI_MAX_FACTOR ? GTCI_MAX_FACTOR : x;
    }
}

size_t gtc_encode_bound(const gtc_codec *codec, uint32_t width, uint32_t height) {
    if (gtci_check_size(width, height)) return 0;
    uint64_t samples = 3 * (uint64_t)gtci_padded(width, codec->levels) * gtci_padded(height, codec->levels);
    uint64_t bytes = samples * codec->symbol_bits / 8 + GTC_MAX_HEADER_BYTES + 4 * GTC_SECTIONS + 4;
    return bytes > (size_t)-1 / 2 ? 0 : (size_t)bytes;
}

static void gtci_describe_stream(const gtci_scan *scan, uint32_t width, uint32_t height, gtc_header *header) {
    memset(header, 0, sizeof *header);
    memcpy(header->preset, scan->codec->preset, sizeof header->preset);
    memcpy(header->digest, scan->codec->digest, 4);
    header->preset_version = scan->codec->preset_version;
    header->width = width;
    header->height = height;
    header->step_code = scan->code;
    header->sections = GTC_SECTIONS;
    for (int i = 0; i < GTC_SECTIONS; i++) header->section_bytes[i] = 0xFFFFFFFF;
}

gtc_status gtc_encode(const gtc_codec *codec, const uint8_t *rgb, uint32_t width, uint32_t height,
                      double quality, void *workspace, size_t workspace_bytes, uint8_t *stream,
                      size_t capacity, size_t *bytes) {
    return gtc_encode_tuned(codec, rgb, width, height, quality, GTC_TUNE_PSNR, workspace, workspace_bytes,
                            stream, capacity, bytes);
}

gtc_status gtc_encode_tuned(const gtc_codec *codec, const uint8_t *rgb, uint32_t width, uint32_t height,
                            double quality, gtc_tune tune, void *workspace, size_t workspace_bytes,
                            uint8_t *stream, size_t capacity, size_t *bytes) {
    gtci_scan scan;
    gtc_header header;
    uint8_t head[GTC_MAX_HEADER_BYTES];
    if (gtci_check_size(width, height)) return GTC_BAD_SIZE;
    if (!(quality >= 1 && quality <= 100)) return GTC_BAD_QUALITY;
    if (tune != GTC_TUNE_PSNR && tune != GTC_TUNE_VISUAL) return GTC_BAD_TUNE;
    gtci_describe(&scan, codec, width, height, 0, 1);
    scan.code = gtci_quality_to_code(quality);
    scan.per_step = (float)(1 / gtc_step_size(scan.code));
    gtc_status status = gtci_occupy(&scan, width, height, workspace, workspace_bytes);
    if (status) return status;
    gtci_describe_stream(&scan, width, height, &header);
    size_t room = gtci_write_header(&header, head); /* with the longest section lengths */
    if (capacity < room + 4) return GTC_OUTPUT_TOO_SMALL;
    GTC_STAGE(GTC_STAGE_ANALYSIS);
    gtci_analyse(&scan, rgb, width, height);
    if (tune == GTC_TUNE_VISUAL) gtci_fill_factors(&scan);
    GTC_STAGE(GTC_STAGE_OTHER);
    gtci_fill_costs(&scan);
    gtci_start_encoder(&scan.encoder, stream + room, stream + capacity - 4);
    status = gtci_run(&scan, NULL, NULL);
    while (!status && scan.section < GTC_SECTIONS) gtci_next_section(&scan);
    if (scan.encoder.full) status = GTC_OUTPUT_TOO_SMALL;
    if (status) return status;
    size_t payload = (size_t)(scan.encoder.next - (stream + room));
    if (payload > 0xFFFFFFFF) return GTC_BAD_SIZE; /* section lengths have 32 bits */
    memcpy(header.section_bytes, scan.lengths, sizeof scan.lengths);
    size_t head_bytes = gtci_write_header(&header, head);
    memmove(stream + head_bytes, stream + room, payload);
    memcpy(stream, head, head_bytes);
    gtci_put32(stream + head_bytes + payload, gtci_crc32(stream, head_bytes + payload));
    *bytes = head_bytes + payload + 4;
    return GTC_OK;
}

#endif /* GTC_IMPLEMENTATION */
