package com.android.internal.telephony;

interface IPhoneSubInfo {
    String getLine1NumberForSubscriber(int subId, String callingPackage, String callingFeatureId) = 299;
    String getDeviceId(String callingPackage) = 6;
}
