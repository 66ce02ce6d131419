/* SPDX-License-Identifier: Apache-2.0 */
/* What GtcDecoder.kt calls of gtc.h. */

#define GTC_IMPLEMENTATION
#include "gtc.h"

#include <jni.h>
#include <stdlib.h>

#define NATIVE(result, name) JNIEXPORT result JNICALL Java_org_gan_1tfc_GtcDecoder_##name

typedef struct input {
    gtc_codec *codec;
    jbyte *data;
    size_t bytes;
    gtc_header header;
} input;

static void refuse(JNIEnv *env, gtc_status status) {
    jclass kind = (*env)->FindClass(env, "java/lang/IllegalArgumentException");
    if (kind) (*env)->ThrowNew(env, kind, gtc_status_text(status));
}

/* Codec and header of a stream; `close_input` follows whatever comes out. */
static gtc_status open_input(JNIEnv *env, jobject codec, jbyteArray stream, input *in) {
    in->codec = malloc(sizeof *in->codec);
    in->data = (*env)->GetByteArrayElements(env, stream, NULL);
    in->bytes = (size_t)(*env)->GetArrayLength(env, stream);
    if (!in->codec || !in->data) return GTC_WORKSPACE_TOO_SMALL;
    gtc_status status = gtc_open(in->codec, (*env)->GetDirectBufferAddress(env, codec),
                                 (size_t)(*env)->GetDirectBufferCapacity(env, codec));
    return status ? status : gtc_read_header(in->data, in->bytes, &in->header);
}

static void close_input(JNIEnv *env, jbyteArray stream, input *in) {
    if (in->data) (*env)->ReleaseByteArrayElements(env, stream, in->data, JNI_ABORT);
    free(in->codec);
}

NATIVE(jintArray, sizes)(JNIEnv *env, jobject self, jobject codec, jbyteArray stream) {
    (void)self;
    input in;
    jintArray result = NULL;
    gtc_status status = open_input(env, codec, stream, &in);
    size_t workspace = status ? 0 : gtc_decode_workspace_bytes(in.codec, &in.header, 1);
    if (!status && (workspace == 0 || workspace > INT32_MAX)) status = GTC_TOO_LARGE;
    if (status) {
        refuse(env, status);
    } else {
        jint unit = 1 << in.codec->levels;
        jint width = (jint)in.header.width, height = (jint)in.header.height;
        jint found[5] = {width, height, (width + unit - 1) / unit * unit, (height + unit - 1) / unit * unit,
                         (jint)workspace};
        result = (*env)->NewIntArray(env, 5);
        if (result) (*env)->SetIntArrayRegion(env, result, 0, 5, found);
    }
    close_input(env, stream, &in);
    return result;
}

NATIVE(jfloat, decodeBase)(JNIEnv *env, jobject self, jobject codec, jbyteArray stream, jobject workspace,
                           jobject base) {
    (void)self;
    input in;
    gtc_picture picture;
    gtc_status status = open_input(env, codec, stream, &in);
    if (!status)
        status = gtc_decode(in.codec, in.data, in.bytes, (*env)->GetDirectBufferAddress(env, workspace),
                            (size_t)(*env)->GetDirectBufferCapacity(env, workspace), NULL, NULL, &picture);
    if (status) {
        refuse(env, status);
    } else {
        gtc_rgb_float(&picture, (*env)->GetDirectBufferAddress(env, base));
    }
    close_input(env, stream, &in);
    return status ? 0 : (jfloat)gtc_step_size(in.header.step_code);
}

NATIVE(void, positionNoise)(JNIEnv *env, jobject self, jint height, jint width, jint channels, jobject noise) {
    (void)self;
    gtc_position_noise((uint32_t)height, (uint32_t)width, (uint32_t)channels, 0, 0,
                       (*env)->GetDirectBufferAddress(env, noise));
}
