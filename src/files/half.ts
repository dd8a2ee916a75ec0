/** @file Half precision under its older name. */
export { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "../base/half.ts";
