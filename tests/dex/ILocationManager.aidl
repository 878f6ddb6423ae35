package android.location;

// Not the platform's own: some methods, in an order of our own, so that only reading the dex can give their codes.
interface ILocationManager {
    void probeOfTheTest(int a);
    String getLastLocation(String provider, String packageName);
    oneway void registerLocationListener(String provider, IBinder listener);
    List<String> getAllProviders();
}
