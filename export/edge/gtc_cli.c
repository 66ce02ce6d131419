/* SPDX-License-Identifier: Apache-2.0

A small program around gtc.h: compress, decompress, preview and measure.

    cc -std=c99 -O3 gtc_cli.c -o gtc -lm

Exit codes: 0; 1 after an error, with one line on stderr; 2 for wrong usage. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void stage_begins(int stage);
#define GTC_STAGE(stage) stage_begins(stage)
#define GTC_IMPLEMENTATION
#include "gtc.h"

static const char *const usage =
    "usage: gtc compress codec.bin in.ppm out.gtc [quality 1..100, 50]\n"
    "       gtc decompress codec.bin in.gtc out.ppm      (the base picture: no synthesis network runs here)\n"
    "       gtc preview codec.bin in.gtc out.ppm scale   (1, 2, 4, ... 64 times smaller)\n"
    "       gtc latents codec.bin in.gtc out.i32         (little-endian int32: coarsest picture, then for "
    "each\n"
    "                                                    level values and scale indexes, then the finest "
    "picture)\n"
    "       gtc noise height width channels top left out.f32\n"
    "       gtc info in.gtc\n"
    "       gtc bench codec.bin [picture.ppm]\n"
    "--force replaces files that exist. --tune visual makes `compress` spend bits where errors are seen;\n"
    "psnr, the default, where they lower squared error most.\n";

static int force;

typedef struct file {
    uint8_t *data;
    size_t bytes;
} file;

typedef struct image {
    uint8_t *rgb;
    uint32_t width, height;
} image;


/* ---- Errors and files ---- */

static void fail(const char *what, const char *why) {
    fprintf(stderr, "gtc: %s: %s\n", what, why);
    exit(1);
}

static void check(gtc_status status, const char *what) {
    if (status) fail(what, gtc_status_text(status));
}

static void *reserve(size_t bytes) {
    void *memory = bytes ? malloc(bytes) : NULL;
    if (!memory) fail("memory", "there is not enough for this picture: code it in tiles");
    return memory;
}

static file read_file(const char *path) {
    file result = {NULL, 0};
    size_t room = 1 << 16;
    FILE *stream = fopen(path, "rb");
    if (!stream) fail(path, "cannot be opened: check the path");
    result.data = (uint8_t *)reserve(room);
    for (;;) {
        size_t count = fread(result.data + result.bytes, 1, room - result.bytes, stream);
        result.bytes += count;
        if (!count) break;
        if (result.bytes < room) continue;
        uint8_t *larger = (uint8_t *)realloc(result.data, room *= 2);
        if (!larger) fail(path, "is too large for the memory: use a machine with more");
        result.data = larger;
    }
    if (ferror(stream)) fail(path, "cannot be read: check the disk");
    fclose(stream);
    return result;
}

static FILE *create(const char *path) {
    FILE *stream = force ? NULL : fopen(path, "rb");
    if (stream) fail(path, "exists already: choose another name or add --force");
    stream = fopen(path, "wb");
    if (!stream) fail(path, "cannot be written: check folder and permissions");
    return stream;
}

static void finish(FILE *stream, const char *path) {
    int failed = ferror(stream);
    if (!fclose(stream) && !failed) return;
    remove(path);
    fail(path, "could not be written completely: free some space on the disk");
}

static double parse_number(const char *text, const char *what) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end) fail(what, "expected a number, but other text came: write it in digits");
    return value;
}

static gtc_tune parse_tune(const char *text) {
    if (!strcmp(text, "visual")) return GTC_TUNE_VISUAL;
    if (strcmp(text, "psnr"))
        fail("--tune", "expected psnr or visual, but other text came: write one of them");
    return GTC_TUNE_PSNR;
}


/* ---- PPM ---- */

static uint32_t ppm_number(const file *source, size_t *position, const char *path) {
    const uint8_t *data = source->data;
    size_t at = *position;
    uint32_t value = 0, digits = 0;
    while (at < source->bytes && (data[at] == '#' || data[at] == ' ' || (data[at] >= 9 && data[at] <= 13))) {
        if (data[at] == '#') {
            while (at < source->bytes && data[at] != '\n') at++;
        } else {
            at++;
        }
    }
    for (; at < source->bytes && data[at] >= '0' && data[at] <= '9' && digits < 7; at++, digits++)
        value = 10 * value + data[at] - '0';
    if (!digits)
        fail(path,
             "expected width, height and 255 after 'P6', but other text came: convert it to binary PPM");
    *position = at;
    return value;
}

static image read_ppm(const char *path) {
    file source = read_file(path);
    image result;
    size_t position = 2;
    if (source.bytes < 2 || memcmp(source.data, "P6", 2) != 0)
        fail(path, "expected a binary PPM, which begins with 'P6': convert it");
    result.width = ppm_number(&source, &position, path);
    result.height = ppm_number(&source, &position, path);
    if (ppm_number(&source, &position, path) != 255)
        fail(path, "expected 8 bits a channel (maximum 255): convert it");
    if (gtci_check_size(result.width, result.height)) fail(path, gtc_status_text(GTC_BAD_SIZE));
    if (source.bytes - position < 1 + 3 * (uint64_t)result.width * result.height)
        fail(path, "the file ends before the picture does: write it again");
    result.rgb = source.data + position + 1;
    return result;
}

static void write_ppm(const char *path, const gtc_picture *picture) {
    size_t bytes = 3 * (size_t)picture->width * picture->height;
    uint8_t *rgb = (uint8_t *)reserve(bytes);
    gtc_rgb8(picture, rgb);
    FILE *stream = create(path);
    fprintf(stream, "P6\n%u %u\n255\n", (unsigned)picture->width, (unsigned)picture->height);
    fwrite(rgb, 1, bytes, stream);
    finish(stream, path);
    free(rgb);
}


/* ---- Commands ---- */

static gtc_codec open_codec(const char *path) {
    file data = read_file(path);
    gtc_codec codec;
    check(gtc_open(&codec, data.data, data.bytes), path);
    return codec;
}

static file encode(const gtc_codec *codec, const image *picture, double quality, gtc_tune tune,
                   const char *path) {
    file result = {NULL, 0};
    size_t needed = gtc_encode_workspace_bytes(codec, picture->width, picture->height);
    size_t capacity = gtc_encode_bound(codec, picture->width, picture->height);
    void *workspace = reserve(needed);
    result.data = (uint8_t *)reserve(capacity);
    check(gtc_encode_tuned(codec, picture->rgb, picture->width, picture->height, quality, tune, workspace,
                           needed, result.data, capacity, &result.bytes),
          path);
    free(workspace);
    return result;
}

static void compress(const char *codec_path, const char *in, const char *out, double quality,
                     gtc_tune tune) {
    gtc_codec codec = open_codec(codec_path);
    image picture = read_ppm(in);
    file stream = encode(&codec, &picture, quality, tune, in);
    FILE *target = create(out);
    fwrite(stream.data, 1, stream.bytes, target);
    finish(target, out);
    printf("%s: %lu bytes\n", out, (unsigned long)stream.bytes);
}

/* A complete stream where `scale` is 0. */
static gtc_picture decode(const gtc_codec *codec, const file *stream, int scale, gtc_on_step *on_step,
                          void *user, const char *path) {
    gtc_header header;
    gtc_picture picture;
    check(gtc_read_header(stream->data, stream->bytes, &header), path);
    /* Little is reserved for a few bytes that claim to be many pixels: damage is found first. */
    if (!scale) check(gtci_check_stream(&header, stream->data, stream->bytes), path);
    size_t needed = gtc_decode_workspace_bytes(codec, &header, scale ? scale : 1);
    void *workspace = needed ? malloc(needed) : NULL;
    gtc_status status =
        scale ? gtc_preview(codec, stream->data, stream->bytes, scale, workspace, needed, &picture)
              : gtc_decode(codec, stream->data, stream->bytes, workspace, needed, on_step, user, &picture);
    if (status == GTC_WORKSPACE_TOO_SMALL)
        fail("memory", "there is not enough for this picture: code it in tiles");
    check(status, path);
    return picture;
}

static void decompress(const char *codec_path, const char *in, const char *out, int scale) {
    gtc_codec codec = open_codec(codec_path);
    file stream = read_file(in);
    gtc_picture picture = decode(&codec, &stream, scale, NULL, NULL, in);
    write_ppm(out, &picture);
    printf("%s: %u x %u pixels, %s\n", out, (unsigned)picture.width, (unsigned)picture.height,
           scale ? "a preview" : "the base picture, without the synthesis network");
}

static void put_le32(uint32_t value, FILE *stream) {
    for (int shift = 0; shift < 32; shift += 8) fputc((int)(value >> shift & 255), stream);
}

static void write_step(const gtc_step *step, void *user) {
    FILE *stream = (FILE *)user;
    size_t count = (size_t)step->height * step->width, bands = GTC_BANDS * (count / 4);
    for (size_t i = 0; step->values && i < bands; i++) put_le32((uint32_t)step->values[i], stream);
    for (size_t i = 0; step->values && i < bands; i++) put_le32(step->scales[i], stream);
    if (step->values && step->level) return;
    for (size_t i = 0; i < 3 * count; i++) put_le32((uint32_t)step->picture[i], stream);
}

static void latents(const char *codec_path, const char *in, const char *out) {
    gtc_codec codec = open_codec(codec_path);
    file stream = read_file(in);
    decode(&codec, &stream, 0, NULL, NULL, in); /* a damaged stream leaves no file behind */
    FILE *target = create(out);
    decode(&codec, &stream, 0, write_step, target, in);
    finish(target, out);
}

static void noise(char **sizes, const char *out) {
    uint32_t n[5];
    for (int i = 0; i < 5; i++) {
        double value = parse_number(sizes[i], sizes[i]);
        if (!(value >= 0 && value < 1 << 30)) fail(sizes[i], "expected 0 to 2^30, but another number came");
        n[i] = (uint32_t)value;
    }
    size_t count = (size_t)n[0] * n[1] * n[2];
    float *values = (float *)reserve(count * sizeof *values);
    gtc_position_noise(n[0], n[1], n[2], n[3], n[4], values);
    FILE *target = create(out);
    fwrite(values, sizeof *values, count, target);
    finish(target, out);
}

static void info(const char *in) {
    file stream = read_file(in);
    gtc_header header;
    check(gtc_read_header(stream.data, stream.bytes, &header), in);
    check(gtci_check_stream(&header, stream.data, stream.bytes), in);
    printf("preset   %s@%lu\n", header.preset, (unsigned long)header.preset_version);
    printf("size     %lu x %lu\n", (unsigned long)header.width, (unsigned long)header.height);
    printf("quality  %.2f\n", gtc_quality(header.step_code));
    printf("bytes    %lu, %.4f bits a pixel\n", (unsigned long)stream.bytes,
           8.0 * (double)stream.bytes / header.width / header.height);
    printf("sections");
    for (uint32_t i = 0; i < header.sections; i++) printf(" %lu", (unsigned long)header.section_bytes[i]);
    printf("\n");
}


/* ---- Benchmark ---- */

static clock_t stage_ticks[6], stage_since;
static int stage_now, stages_counted;

static void stage_begins(int stage) {
    if (!stages_counted) return;
    clock_t now = clock();
    stage_ticks[stage_now] += now - stage_since;
    stage_since = now;
    stage_now = stage;
}

static double milliseconds(clock_t ticks) { return 1000.0 * (double)ticks / CLOCKS_PER_SEC; }

static uint32_t draw(void) {
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

/* Soft shapes, edges and grain. */
static image synthetic_picture(void) {
    image result = {NULL, 768, 512};
    result.rgb = (uint8_t *)reserve(3 * 768 * 512);
    for (int y = 0; y < 512; y++) {
        for (int x = 0; x < 768; x++) {
            int wave = (x * x / 97 + y * y / 61) / 16 % 128, edge = (x / 96 + y / 64) % 2 * 48;
            int grain = y > 256 ? (int)(draw() % 17) - 8 : 0;
            for (int c = 0; c < 3; c++)
                result.rgb[3 * (768 * y + x) + c] =
                    (uint8_t)gtci_clip(40 + wave + edge + grain + 12 * c, 0, 255);
        }
    }
    return result;
}

enum { DRAWN = 4000000 };

typedef struct drawn {
    uint8_t *rows;
    int32_t *symbols;
    size_t count;
    const gtc_codec *codec;
} drawn;

static void draw_symbol(drawn *sequence, int row_index) {
    const gtc_row *row = &sequence->codec->rows[row_index];
    uint32_t target = draw() & ((1u << row->precision) - 1);
    int32_t index = 0;
    while (gtci_cdf(row, index + 1) <= target) index++;
    if (index == row->escape) index = row->likely;
    sequence->rows[sequence->count] = (uint8_t)row_index;
    sequence->symbols[sequence->count++] = index + row->offset;
}

/* Rows as they occur in a picture. */
static void draw_like_step(const gtc_step *step, void *user) {
    drawn *sequence = (drawn *)user;
    size_t bands = GTC_BANDS * ((size_t)step->height * step->width / 4);
    for (size_t i = 0; step->values && i < bands && sequence->count < DRAWN; i++) {
        if (step->scales[i]) draw_symbol(sequence, step->scales[i]);
    }
}

static void bench_coder(const drawn *sequence, const char *what) {
    size_t capacity = 8 * sequence->count + 8, wrong = 0, rounds = 1 + 2000000 / sequence->count;
    uint8_t *buffer = (uint8_t *)reserve(capacity);
    gtci_encoder encoder;
    gtci_decoder decoder;
    clock_t start = clock();
    for (size_t round = 0; round < rounds; round++) {
        gtci_start_encoder(&encoder, buffer, buffer + capacity);
        for (size_t i = 0; i < sequence->count; i++)
            gtci_encode_symbol(&encoder, &sequence->codec->rows[sequence->rows[i]], sequence->symbols[i]);
        gtci_finish_encoder(&encoder);
    }
    double encoding = milliseconds(clock() - start) / 1000;
    start = clock();
    for (size_t round = 0; round < rounds; round++) {
        gtci_start_decoder(&decoder, buffer, (size_t)(encoder.next - buffer));
        for (size_t i = 0; i < sequence->count; i++)
            wrong += gtci_decode_symbol(&decoder, &sequence->codec->rows[sequence->rows[i]]) !=
                     sequence->symbols[i];
    }
    double decoding = milliseconds(clock() - start) / 1000,
           millions = (double)(rounds * sequence->count) / 1e6;
    if (wrong)
        fail("bench", "the range decoder returned other symbols: report it with the compiler's version");
    printf("range coder, %s, %.2f bits a symbol: encoder %.1f, decoder %.1f million symbols/s\n", what,
           8.0 * (double)(encoder.next - buffer) / (double)sequence->count, millions / encoding,
           millions / decoding);
    free(buffer);
}

static void bench_picture(const gtc_codec *codec, const image *picture, drawn *sequence) {
    static const char *const names[6] = {"other",    "wavelet, forward", "contexts",
                                         "networks", "range coder",      "wavelet, inverse"};
    file stream = {NULL, 0};
    for (int decoding = 0; decoding < 2; decoding++) {
        gtc_picture decoded = {NULL, 0, 0, 0, 0, 0};
        memset(stage_ticks, 0, sizeof stage_ticks);
        stages_counted = 1;
        stage_now = GTC_STAGE_OTHER;
        clock_t start = stage_since = clock();
        if (decoding) decoded = decode(codec, &stream, 0, NULL, NULL, "bench");
        else stream = encode(codec, picture, 50, GTC_TUNE_PSNR, "bench");
        stage_begins(GTC_STAGE_OTHER);
        clock_t coded = clock();
        stages_counted = 0;
        printf("%s %lu x %lu at quality 50 (%lu bytes): %.0f ms", decoding ? "decode" : "encode",
               (unsigned long)picture->width, (unsigned long)picture->height, (unsigned long)stream.bytes,
               milliseconds(coded - start));
        for (int stage = 1; stage < 6; stage++)
            printf(", %s %.0f", names[stage], milliseconds(stage_ticks[stage]));
        if (decoding) {
            gtc_rgb8(&decoded, picture->rgb);
            printf("; to RGB %.0f", milliseconds(clock() - coded));
        }
        printf("\n");
    }
    decode(codec, &stream, 0, draw_like_step, sequence, "bench");
}

static void bench(const char *codec_path, const char *picture_path) {
    gtc_codec codec = open_codec(codec_path);
    image picture = picture_path ? read_ppm(picture_path) : synthetic_picture();
    drawn sequence = {(uint8_t *)reserve(DRAWN), (int32_t *)reserve(DRAWN * sizeof(int32_t)), 0, &codec};
    bench_picture(&codec, &picture, &sequence);
    if (sequence.count) bench_coder(&sequence, "rows as in the picture");
    for (sequence.count = 0; sequence.count < DRAWN / 8;) draw_symbol(&sequence, 1 + (int)(draw() % 63));
    bench_coder(&sequence, "rows 1..63 equally often");
}

int main(int count, char **arguments) {
    char *words[10] = {NULL};
    const char *tune = NULL;
    int n = 0;
    for (int i = 1; i < count; i++) {
        if (!strcmp(arguments[i], "--force")) force = 1;
        else if (!strcmp(arguments[i], "--tune")) tune = i + 1 < count ? arguments[++i] : "";
        else if (n < 9) words[n++] = arguments[i];
    }
    const char *command = n ? words[0] : "";
    if (tune && strcmp(command, "compress")) command = ""; /* no other command takes it */
    if (!strcmp(command, "compress") && (n == 4 || n == 5))
        compress(words[1], words[2], words[3], n == 5 ? parse_number(words[4], words[4]) : 50,
                 tune ? parse_tune(tune) : GTC_TUNE_PSNR);
    else if (!strcmp(command, "decompress") && n == 4) decompress(words[1], words[2], words[3], 0);
    else if (!strcmp(command, "preview") && n == 5) {
        double scale = parse_number(words[4], words[4]);
        decompress(words[1], words[2], words[3],
                   scale >= 1 && scale <= 64 && scale == (int)scale ? (int)scale : -1);
    } else if (!strcmp(command, "latents") && n == 4) latents(words[1], words[2], words[3]);
    else if (!strcmp(command, "noise") && n == 7) noise(words + 1, words[6]);
    else if (!strcmp(command, "info") && n == 2) info(words[1]);
    else if (!strcmp(command, "bench") && (n == 2 || n == 3)) bench(words[1], n == 3 ? words[2] : NULL);
    else {
        fputs(usage, stderr);
        return 2;
    }
    return 0;
}
