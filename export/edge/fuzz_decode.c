/* SPDX-License-Identifier: Apache-2.0

Fuzzes gtc.h under sanitizers. Streams (a corpus of small .gtc files in `corpus`):

    clang -std=c99 -g -O2 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all fuzz_decode.c \
        -o fuzz_decode -lm
    GTC_CODEC=small_codec.bin nice -n 2 ./fuzz_decode -max_len=4096 -max_total_time=600 corpus

A codec.bin whose networks have a few features alone decodes some hundred times a second here.

codec.bin (a corpus of such small ones):

    clang -DFUZZ_CODEC_FILE <the same> -o fuzz_codec
    nice -n 2 ./fuzz_codec -max_len=40000 -max_total_time=600 codecs

Checksums and the digest are repaired, and sizes brought into a small range, so that most inputs reach the
decoder; one in sixteen or so is taken as it is. */

#include <stdio.h>
#include <stdlib.h>

#define GTC_IMPLEMENTATION
#include "gtc.h"

enum { MAX_PIXELS = 1 << 10, MAX_WORKSPACE = 1 << 23 };

static void require(int condition, const char *claim) {
    if (condition) return;
    fprintf(stderr, "broken: %s\n", claim);
    abort();
}

/* Exactly as large as asked for, at an odd address: nothing may rely on alignment or on more. */
static uint8_t *reserve_odd(size_t bytes) {
    uint8_t *memory = (uint8_t *)malloc(bytes + 1);
    if (!memory) abort();
    return memory + 1;
}

static void release_odd(uint8_t *memory) { free(memory - 1); }

static void use_pixels(const gtc_picture *picture) {
    size_t padded = 3 * (size_t)picture->padded_height * picture->padded_width;
    uint8_t *rgb = reserve_odd(3 * (size_t)picture->height * picture->width);
    float *values = (float *)malloc(padded * sizeof *values);
    gtc_rgb8(picture, rgb);
    gtc_rgb_float(picture, values);
    free(values);
    release_odd(rgb);
}

static gtc_status decode_whole(const gtc_codec *codec, const uint8_t *data, size_t bytes,
                               const gtc_header *header) {
    size_t needed = gtc_decode_workspace_bytes(codec, header, 1),
           given = needed > MAX_WORKSPACE ? 64 : needed;
    uint8_t *workspace = reserve_odd(given);
    gtc_picture picture;
    gtc_status status = gtc_decode(codec, data, bytes, workspace, given, NULL, NULL, &picture);
    if (!status) use_pixels(&picture);
    release_odd(workspace);
    return status;
}

static void decode_preview(const gtc_codec *codec, const uint8_t *data, size_t bytes,
                           const gtc_header *header, int scale) {
    size_t needed = gtc_decode_workspace_bytes(codec, header, scale),
           given = needed > MAX_WORKSPACE ? 64 : needed;
    uint8_t *workspace = reserve_odd(given);
    gtc_picture picture;
    if (!gtc_preview(codec, data, bytes, scale, workspace, given, &picture)) use_pixels(&picture);
    release_odd(workspace);
}

#ifdef FUZZ_CODEC_FILE

/* A stream of one small picture for whatever codec came, its payload the end of the file. */
static void use_codec(const gtc_codec *codec, const uint8_t *payload, size_t payload_bytes) {
    uint8_t stream[GTC_MAX_HEADER_BYTES + 4 * 256 + 4];
    gtc_header header;
    memset(&header, 0, sizeof header);
    memcpy(header.preset, codec->preset, sizeof header.preset);
    memcpy(header.digest, codec->digest, 4);
    header.preset_version = codec->preset_version;
    header.width = 1 + payload[0] % 40;
    header.height = 1 + payload[1] % 40;
    header.step_code = gtci_le16(payload) % 2048;
    header.sections = GTC_SECTIONS;
    for (int i = 0; i < GTC_SECTIONS; i++) header.section_bytes[i] = (uint32_t)(payload_bytes / GTC_SECTIONS);
    size_t bytes = gtci_write_header(&header, stream);
    memcpy(stream + bytes, payload, payload_bytes / GTC_SECTIONS * GTC_SECTIONS);
    bytes += payload_bytes / GTC_SECTIONS * GTC_SECTIONS;
    gtci_put32(stream + bytes, gtci_crc32(stream, bytes));
    bytes += 4;
    require(gtc_read_header(stream, bytes, &header) == GTC_OK, "a header that was written can be read");
    decode_whole(codec, stream, bytes, &header);
    for (int scale = 1; scale <= 64; scale *= 2) decode_preview(codec, stream, bytes, &header, scale);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    gtc_codec codec;
    uint8_t *file = reserve_odd(bytes);
    if (bytes) memcpy(file, data, bytes);
    if (bytes > 84 && data[bytes / 2] % 16) {
        uint32_t crc = gtci_crc32(file, bytes - 4);
        for (int i = 0; i < 4; i++) file[bytes - 4 + (size_t)i] = (uint8_t)(crc >> 8 * i);
    }
    if (!gtc_open(&codec, file, bytes)) use_codec(&codec, data + bytes - 84, 84);
    release_odd(file);
    return 0;
}

#else

static gtc_codec codec;

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    const char *path = getenv("GTC_CODEC");
    static uint8_t data[1 << 22];
    FILE *file = fopen(path ? path : "codec.bin", "rb");
    (void)count;
    (void)arguments;
    require(file != NULL, "GTC_CODEC is the path of a codec.bin");
    require(gtc_open(&codec, data, fread(data, 1, sizeof data, file)) == GTC_OK, "codec.bin is intact");
    fclose(file);
    return 0;
}

static void limit_size(gtc_header *header) {
    uint64_t area =
        (uint64_t)gtci_padded(header->width, codec.levels) * gtci_padded(header->height, codec.levels);
    if (area && area <= MAX_PIXELS) return;
    header->width = 1 + header->width % 24;
    header->height = 1 + header->height % 24;
}

/* The same stream with the codec's digest, lengths that add up to the bytes there are, and right checksums;
0 where its header cannot be taken apart. */
static size_t repair(const uint8_t *data, size_t bytes, uint8_t *out) {
    gtci_reader reader = {data, bytes, 3, GTC_OK};
    gtc_header header;
    size_t name_bytes;
    if (bytes < 3 || gtci_read_fields(&reader, &header, &name_bytes) || reader.bytes - reader.position < 6)
        return 0;
    const uint8_t *payload = data + reader.position + 2;
    uint32_t left = (uint32_t)(reader.bytes - reader.position - 6), total = left;
    memcpy(header.digest, codec.digest, 4);
    header.step_code %= GTCI_MAX_STEP_CODE + 1;
    header.sections = GTC_SECTIONS;
    limit_size(&header);
    for (int i = 0; i < GTC_SECTIONS; i++) {
        uint32_t length = header.section_bytes[i];
        header.section_bytes[i] = i == GTC_SECTIONS - 1 || length > left ? left : length;
        left -= header.section_bytes[i];
    }
    size_t head_bytes = gtci_write_header(&header, out);
    memcpy(out + head_bytes, payload, total);
    gtci_put32(out + head_bytes + total, gtci_crc32(out, head_bytes + total));
    return head_bytes + total + 4;
}

/* Whatever was decoded can be encoded, and that decodes. */
static void encode_again(const gtc_header *header, const uint8_t *noise, size_t noise_bytes, double quality,
                         gtc_tune tune) {
    uint32_t width = header->width, height = header->height;
    size_t count = 3 * (size_t)width * height, capacity = gtc_encode_bound(&codec, width, height), bytes = 0;
    size_t needed = gtc_encode_workspace_bytes(&codec, width, height);
    uint8_t *rgb = reserve_odd(count), *stream = reserve_odd(capacity), *workspace = reserve_odd(needed);
    gtc_header again;
    for (size_t i = 0; i < count; i++) rgb[i] = noise[i % noise_bytes];
    gtc_status status = gtc_encode_tuned(&codec, rgb, width, height, quality, tune, workspace, needed, stream,
                                         capacity, &bytes);
    require(status == GTC_OK, "every picture fits into gtc_encode_bound bytes");
    require(gtc_read_header(stream, bytes, &again) == GTC_OK, "a written header can be read");
    require(decode_whole(&codec, stream, bytes, &again) == GTC_OK, "a written stream decodes");
    uint8_t *tight = reserve_odd(bytes);
    gtc_encode_tuned(&codec, rgb, width, height, quality, tune, workspace, needed, tight, bytes / 2, &bytes);
    release_odd(tight);
    release_odd(rgb);
    release_odd(stream);
    release_odd(workspace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint8_t *repaired = reserve_odd(bytes + GTC_MAX_HEADER_BYTES + 4);
    size_t length = bytes && data[bytes / 2] % 16 ? repair(data, bytes, repaired) : 0;
    uint8_t *stream = reserve_odd(length ? length : bytes);
    gtc_header header;
    if (length) memcpy(stream, repaired, length);
    else if (bytes) memcpy(stream, data, length = bytes);
    if (!gtc_read_header(stream, length, &header)) {
        unsigned mode = data[bytes - 1];
        gtc_status status = decode_whole(&codec, stream, length, &header);
        decode_preview(&codec, stream, length, &header, 1 << mode % 8);
        gtc_tune tune = mode & 8 ? GTC_TUNE_VISUAL : GTC_TUNE_PSNR;
        if (!status && mode % 8 == 0) encode_again(&header, data, bytes, 1 + data[bytes / 3] % 100, tune);
    }
    release_odd(stream);
    release_odd(repaired);
    return 0;
}

#endif
