// SPDX-License-Identifier: Apache-2.0
package org.gan_tfc

import android.content.Context
import android.graphics.Bitmap
import java.io.Closeable
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.json.JSONObject
import org.tensorflow.lite.Interpreter

/** Decodes `.gtc` streams of one bundle; not for several threads at once. */
class GtcDecoder(context: Context, threads: Int = 4) : Closeable {
    private val assets = context.assets
    private val channels = JSONObject(String(read("manifest.json")))
        .getJSONObject("synthesis").getInt("noise_channels")
    private val codec = direct(read("codec.bin"))
    private val synthesis = Interpreter(direct(read("synthesis.tflite")), Interpreter.Options().setNumThreads(threads))

    /** Throws IllegalArgumentException with one sentence where the data is no intact stream of this bundle. */
    fun decode(stream: ByteArray, realism: Float = 1f): Bitmap {
        val (width, height, paddedWidth, paddedHeight, workspaceBytes) = sizes(codec, stream)
        val base = direct(12L * paddedHeight * paddedWidth)
        val step = decodeBase(codec, stream, direct(workspaceBytes.toLong()), base)
        val inputs = hashMapOf<String, Any>("base" to base, "step" to arrayOf(floatArrayOf(step)))
        if (channels > 0) {
            val noise = direct(4L * channels * (paddedHeight / 4) * (paddedWidth / 4))
            positionNoise(paddedHeight / 4, paddedWidth / 4, channels, noise)
            inputs += mapOf("realism" to arrayOf(floatArrayOf(realism)), "noise" to noise)
        }
        resize("base", intArrayOf(1, paddedHeight, paddedWidth, 3))
        if (channels > 0) resize("noise", intArrayOf(1, paddedHeight / 4, paddedWidth / 4, channels))
        val picture = direct(12L * paddedHeight * paddedWidth)
        synthesis.runSignature(inputs, mapOf("picture" to picture), SIGNATURE)
        picture.rewind() // filling it moved its position
        return bitmap(picture, width, height, paddedWidth)
    }

    override fun close() = synthesis.close()

    private fun resize(name: String, shape: IntArray) {
        val index = synthesis.getInputIndex(synthesis.getInputTensorFromSignature(name, SIGNATURE).name())
        synthesis.resizeInput(index, shape)
    }

    private fun bitmap(picture: ByteBuffer, width: Int, height: Int, stride: Int): Bitmap {
        val values = picture.asFloatBuffer()
        val row = IntArray(width)
        val result = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888)
        for (y in 0 until height) {
            for (x in 0 until width) {
                val at = 3 * (y * stride + x)
                row[x] = (255 shl 24) or (level(values[at]) shl 16) or (level(values[at + 1]) shl 8) or level(values[at + 2])
            }
            result.setPixels(row, 0, width, 0, y, width, 1)
        }
        return result
    }

    private fun level(value: Float) = Math.floor((value + 0.5) * 255 + 0.5).toInt().coerceIn(0, 255)

    private fun read(name: String) = assets.open(name).use { it.readBytes() }

    private fun direct(bytes: Long): ByteBuffer =
        ByteBuffer.allocateDirect(Math.toIntExact(bytes)).order(ByteOrder.nativeOrder())

    private fun direct(bytes: ByteArray): ByteBuffer = direct(bytes.size.toLong()).put(bytes).also { it.rewind() }

    // In gtc_jni.c. Width, height, both padded, and bytes of workspace.
    private external fun sizes(codec: ByteBuffer, stream: ByteArray): IntArray
    // Fills `base` and returns the step.
    private external fun decodeBase(codec: ByteBuffer, stream: ByteArray, workspace: ByteBuffer, base: ByteBuffer): Float
    private external fun positionNoise(height: Int, width: Int, channels: Int, noise: ByteBuffer)

    private companion object {
        const val SIGNATURE = "serving_default"
        init { System.loadLibrary("gtc_jni") }
    }
}
